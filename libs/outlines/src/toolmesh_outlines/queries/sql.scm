; Definitions
; are found without the tree: see sql_definitions.py.

; Uses

(object_reference name: (_) @certain)
