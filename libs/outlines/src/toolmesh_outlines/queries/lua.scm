; Definitions

; A function without statements has no block: its header ends at `end`.

(function_declaration
  name: (identifier) @name
  body: (_)? @body
  "end" @body) @definition.function

(function_declaration
  name: (dot_index_expression field: (identifier) @name)
  body: (_)? @body
  "end" @body) @definition.function

(function_declaration
  name: (method_index_expression method: (identifier) @name)
  body: (_)? @body
  "end" @body) @definition.method

(assignment_statement
  (variable_list . name: (dot_index_expression field: (identifier) @name) .)
  (expression_list
    . value: (function_definition body: (_)? @body "end" @body) .)) @definition.function

(chunk
  (assignment_statement
    (variable_list . name: (identifier) @name .)
    (expression_list
      . value: (function_definition body: (_)? @body "end" @body) .)) @definition.function)

(chunk
  (variable_declaration
    (assignment_statement
      (variable_list . name: (identifier) @name .)
      (expression_list
        . value: (function_definition body: (_)? @body "end" @body) .))) @definition.function)

(field
  name: (identifier) @name
  value: (function_definition body: (_)? @body "end" @body)) @definition.method

(chunk
  (variable_declaration
    (assignment_statement
      (variable_list name: (identifier) @name))) @definition.variable)

(chunk
  (assignment_statement
    (variable_list name: (identifier) @name)) @definition.variable)

(chunk
  (assignment_statement
    (variable_list
      name: (dot_index_expression
        table: (identifier)
        field: (identifier) @name))) @definition.property
  (#not-match? @name "^__"))

; Imports

(function_call
  name: (identifier) @_function
  arguments: (arguments . (string content: (string_content) @import))
  (#any-of? @_function "require" "dofile"))

; Uses

(identifier) @reference

(function_call name: (identifier) @reference.certain)
(dot_index_expression field: (identifier) @reference.member)
(method_index_expression method: (identifier) @reference.member)
(field name: (identifier) @ignore)

; Names bound in the file

(parameters name: (identifier) @local)
(variable_declaration
  (assignment_statement (variable_list name: (identifier) @local)))
(variable_declaration (variable_list name: (identifier) @local))
(for_generic_clause (variable_list name: (identifier) @local))
(for_numeric_clause name: (identifier) @local)
