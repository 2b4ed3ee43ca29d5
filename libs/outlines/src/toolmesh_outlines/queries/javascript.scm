; What JavaScript alone has, next to ecmascript.scm and jsx.scm.

(class_declaration
  name: (identifier) @name
  body: (_) @body) @definition.class

(field_definition
  property: (property_identifier) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
  ]) @definition.method

; Uses

(class_heritage (identifier) @reference.certain)

(formal_parameters (identifier) @local)
