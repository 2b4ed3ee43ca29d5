; Definitions

(function_item
  name: (identifier) @name
  body: (_) @body) @definition.function

(function_signature_item name: (identifier) @name) @definition.function

(struct_item
  name: (type_identifier) @name
  body: (_)? @body) @definition.struct

(union_item
  name: (type_identifier) @name
  body: (_) @body) @definition.struct

(enum_item
  name: (type_identifier) @name
  body: (_) @body) @definition.enum

(trait_item
  name: (type_identifier) @name
  body: (_) @body) @definition.trait

(type_item name: (type_identifier) @name) @definition.type
(const_item name: (identifier) @name) @definition.constant
(static_item name: (identifier) @name) @definition.variable

(mod_item
  name: (identifier) @name
  body: (_) @body) @definition.module

(macro_definition
  name: (identifier) @name
  . [("{") ("(") ("[")]? @body) @definition.macro

(impl_item
  type: (_) @name
  body: (_) @body) @definition.implementation

; Imports

(use_declaration argument: (_) @import)
(mod_item "mod" name: (identifier) @import.submodule ";")

; Uses

(identifier) @reference
(type_identifier) @certain

(call_expression function: (identifier) @reference.certain)
(scoped_identifier name: (identifier) @reference.member)
(field_expression field: (field_identifier) @member)
(macro_invocation macro: (identifier) @reference.certain)
(generic_function function: (identifier) @reference.certain)

; Names bound in the file

(let_declaration pattern: (identifier) @local)
(parameter pattern: (identifier) @local)
(closure_parameters (identifier) @local)
(tuple_pattern (identifier) @local)
(tuple_struct_pattern (identifier) @local)
(for_expression pattern: (identifier) @local)
(match_pattern (identifier) @local)
(captured_pattern . (identifier) @local)
(mut_pattern (identifier) @local)
(reference_pattern (identifier) @local)
(field_pattern name: (shorthand_field_identifier) @local)
(type_parameter name: (type_identifier) @local)
