; What implementations alone have, next to ocaml.scm.

; Definitions

(compilation_unit
  (value_definition
    (let_binding
      pattern: [(value_name) @name (parenthesized_operator (_) @name)]
      . (parameter)
      "=" @body) @definition.function))

(structure
  (value_definition
    (let_binding
      pattern: [(value_name) @name (parenthesized_operator (_) @name)]
      . (parameter)
      "=" @body) @definition.function))

(compilation_unit
  (value_definition
    (let_binding
      pattern: (value_name) @name
      "=" @body
      body: [(fun_expression) (function_expression)]) @definition.function))

(structure
  (value_definition
    (let_binding
      pattern: (value_name) @name
      "=" @body
      body: [(fun_expression) (function_expression)]) @definition.function))

(compilation_unit
  (value_definition
    (let_binding pattern: (value_name) @name) @definition.variable))

(structure
  (value_definition
    (let_binding pattern: (value_name) @name) @definition.variable))
