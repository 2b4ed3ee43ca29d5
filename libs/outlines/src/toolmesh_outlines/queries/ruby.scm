; Definitions

(class
  name: [
    (constant) @name
    (scope_resolution name: (constant) @name)
  ]
  superclass: (_)?
  body: (_)? @body) @definition.class

(module
  name: [
    (constant) @name
    (scope_resolution name: (constant) @name)
  ]
  body: (_)? @body) @definition.module

(method
  name: (_) @name
  body: (_)? @body) @definition.method

(singleton_method
  name: (_) @name
  body: (_)? @body) @definition.method

(program (assignment left: (constant) @name) @definition.constant)
(body_statement (assignment left: (constant) @name) @definition.constant)

(call
  method: (identifier) @_method
  arguments: (argument_list (simple_symbol) @name)
  (#any-of? @_method
    "attr_reader" "attr_writer" "attr_accessor" "define_method")) @definition.property

; Imports

(call
  method: (identifier) @_method
  arguments: (argument_list . (string (string_content) @import))
  (#any-of? @_method "require" "load"))
(call
  method: (identifier) @_method
  arguments: (argument_list . (string (string_content) @import.relative))
  (#eq? @_method "require_relative"))

; Uses

(identifier) @reference
(constant) @certain

(call method: (identifier) @reference.certain)

; Names bound in the file

(method_parameters (identifier) @local)
(lambda_parameters (identifier) @local)
(block_parameters (identifier) @local)
(optional_parameter name: (identifier) @local)
(keyword_parameter name: (identifier) @local)
(splat_parameter name: (identifier) @local)
(hash_splat_parameter name: (identifier) @local)
(block_parameter name: (identifier) @local)
(destructured_parameter (identifier) @local)
(assignment left: (identifier) @local)
(operator_assignment left: (identifier) @local)
(left_assignment_list (identifier) @local)
(exception_variable (identifier) @local)
(for pattern: (identifier) @local)
