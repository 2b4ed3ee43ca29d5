; Definitions

(function_declaration
  name: (identifier) @name
  body: (_)? @body) @definition.function

(method_declaration
  name: (field_identifier) @name
  body: (_)? @body) @definition.method

(method_elem name: (field_identifier) @name) @definition.method

(type_spec
  name: (type_identifier) @name
  type: (struct_type (field_declaration_list) @body)) @definition.struct

(type_spec
  name: (type_identifier) @name
  type: (interface_type "{" @body)) @definition.interface

(type_spec name: (type_identifier) @name) @definition.type
(type_alias name: (type_identifier) @name) @definition.type

(source_file
  (const_declaration
    (const_spec name: (identifier) @name) @definition.constant))

(source_file
  (var_declaration
    (var_spec name: (identifier) @name) @definition.variable))

(source_file
  (var_declaration
    (var_spec_list
      (var_spec name: (identifier) @name) @definition.variable)))

; Imports

(import_spec path: (interpreted_string_literal) @import)

; Uses

(identifier) @reference
(type_identifier) @certain

(call_expression function: (identifier) @reference.certain)
(selector_expression field: (field_identifier) @member)
(qualified_type name: (type_identifier) @reference.member)
(keyed_element key: (literal_element (identifier) @ignore))

; Names bound in the file

(parameter_declaration name: (identifier) @local)
(variadic_parameter_declaration name: (identifier) @local)
(type_parameter_declaration name: (identifier) @local)
(short_var_declaration left: (expression_list (identifier) @local))
(range_clause left: (expression_list (identifier) @local))
(type_switch_statement alias: (expression_list (identifier) @local))
(var_spec name: (identifier) @local)
(const_spec name: (identifier) @local)
