; Definitions

(class_definition
  name: (_) @name
  body: (_)? @body) @definition.class

(object_definition
  name: (_) @name
  body: (_)? @body) @definition.class

(trait_definition
  name: (_) @name
  body: (_)? @body) @definition.trait

(enum_definition
  name: (_) @name
  body: (_) @body) @definition.enum

(package_object
  name: (_) @name
  body: (_)? @body) @definition.module

(type_definition name: (type_identifier) @name) @definition.type

(function_definition
  name: (_) @name
  "="? @body
  body: (_) @body) @definition.function

(function_declaration name: (_) @name) @definition.function

(template_body
  [
    (val_definition pattern: (identifier) @name "=" @body)
    (var_definition pattern: (identifier) @name "=" @body)
    (val_declaration name: (identifier) @name)
    (var_declaration name: (identifier) @name)
  ] @definition.property)

(compilation_unit
  [
    (val_definition pattern: (identifier) @name)
    (var_definition pattern: (identifier) @name)
  ] @definition.variable)

(given_definition name: (_) @name body: (_)? @body) @definition.variable

; Imports

(import_declaration) @import

; Uses

(identifier) @reference
(type_identifier) @certain

(call_expression function: (identifier) @reference.certain)
(generic_function function: (identifier) @reference.certain)
(field_expression field: (identifier) @reference.member)
(infix_expression operator: (identifier) @reference.member)
(simple_enum_case name: (identifier) @ignore)
(assignment_expression left: (identifier) @ignore)
(package_identifier (identifier) @ignore)
(import_declaration path: (identifier) @ignore)
(interpolated_string_expression interpolator: (identifier) @ignore)

; Names bound in the file

(parameter name: (identifier) @local)
(class_parameter name: (identifier) @local)
(binding name: (identifier) @local)
(bindings (binding name: (identifier) @local))
(lambda_expression parameters: (identifier) @local)
(val_definition pattern: (identifier) @local)
(var_definition pattern: (identifier) @local)
(val_definition pattern: (tuple_pattern (identifier) @local))
(enumerator . (identifier) @local)
(case_clause pattern: (identifier) @local)
(case_class_pattern pattern: (identifier) @local)
(typed_pattern pattern: (identifier) @local)
(capture_pattern name: (identifier) @local)
(type_parameters name: (identifier) @local)
