; What JavaScript, TypeScript and TSX have in common.

; Definitions

(function_declaration
  name: (identifier) @name
  body: (_) @body) @definition.function

(generator_function_declaration
  name: (identifier) @name
  body: (_) @body) @definition.function

(method_definition
  name: (property_identifier) @name
  body: (_) @body) @definition.method

(pair
  key: (property_identifier) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
  ]) @definition.method

(assignment_expression
  left: (member_expression property: (property_identifier) @name)
  right: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
  ]) @definition.function

(program
  [
    (lexical_declaration
      (variable_declarator
        name: (identifier) @name
        value: [
          (arrow_function body: (_) @body)
          (function_expression body: (_) @body)
        ]))
    (variable_declaration
      (variable_declarator
        name: (identifier) @name
        value: [
          (arrow_function body: (_) @body)
          (function_expression body: (_) @body)
        ]))
  ] @definition.function)

(export_statement
  declaration: (lexical_declaration
    (variable_declarator
      name: (identifier) @name
      value: [
        (arrow_function body: (_) @body)
        (function_expression body: (_) @body)
      ])) @definition.function)

(program
  [
    (lexical_declaration (variable_declarator name: (identifier) @name))
    (variable_declaration (variable_declarator name: (identifier) @name))
  ] @definition.variable)

(export_statement
  declaration: (lexical_declaration
    (variable_declarator name: (identifier) @name)) @definition.variable)

; Imports

(import_statement source: (string) @import)
(export_statement source: (string) @import)
(call_expression
  function: [(identifier) (import)] @_function
  arguments: (arguments . (string) @import)
  (#any-of? @_function "require" "import"))

; Uses

[(identifier) (shorthand_property_identifier)] @reference

(call_expression function: (identifier) @reference.certain)
(new_expression constructor: (identifier) @reference.certain)
(member_expression property: (property_identifier) @member)
(import_specifier name: (identifier) @reference.certain)
(export_specifier name: (identifier) @reference.certain)
(function_expression name: (identifier) @ignore)

; Names bound in the file

(variable_declarator name: (identifier) @local)
(shorthand_property_identifier_pattern) @local
(pair_pattern value: (identifier) @local)
(array_pattern (identifier) @local)
(rest_pattern (identifier) @local)
(assignment_pattern left: (identifier) @local)
(arrow_function parameter: (identifier) @local)
(catch_clause parameter: (identifier) @local)
(for_in_statement left: (identifier) @local)
