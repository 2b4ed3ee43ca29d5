; Definitions

(class_definition
  name: (identifier) @name
  body: (_) @body) @definition.class

(function_definition
  name: (identifier) @name
  body: (_) @body) @definition.function

(module
  (assignment
    left: (identifier) @name) @definition.variable)

(module
  (type_alias_statement
    left: (type (identifier) @name)) @definition.type)

; Imports

(import_statement name: (dotted_name) @import)
(import_statement name: (aliased_import name: (dotted_name) @import))
(import_from_statement module_name: (_) @import)
(import_from_statement
  module_name: (_) @import
  name: (dotted_name) @import.item)
(import_from_statement
  module_name: (_) @import
  name: (aliased_import name: (dotted_name) @import.item))

; Uses

(identifier) @reference

(call function: (identifier) @reference.certain)
(attribute attribute: (identifier) @reference.member)
(decorator (identifier) @reference.certain)
(class_definition superclasses: (argument_list (identifier) @reference.certain))
(type (identifier) @reference.certain)

(keyword_argument name: (identifier) @ignore)
(keyword_pattern . (identifier) @ignore)
(import_from_statement module_name: (dotted_name (identifier) @ignore))

; Names bound in the file

(parameters (identifier) @local)
(lambda_parameters (identifier) @local)
(default_parameter name: (identifier) @local)
(typed_parameter . (identifier) @local)
(typed_default_parameter name: (identifier) @local)
(list_splat_pattern (identifier) @local)
(dictionary_splat_pattern (identifier) @local)
(assignment left: (identifier) @local)
(pattern_list (identifier) @local)
(tuple_pattern (identifier) @local)
(as_pattern_target (identifier) @local)
(as_pattern_target (tuple (identifier) @local))
(named_expression name: (identifier) @local)
(for_statement left: (identifier) @local)
(for_in_clause left: (identifier) @local)
