; Elements of JSX: JavaScript and TSX have them, TypeScript has not.

; Uses

(jsx_opening_element name: (identifier) @reference.certain)
(jsx_self_closing_element name: (identifier) @reference.certain)
(jsx_closing_element name: (identifier) @ignore)
