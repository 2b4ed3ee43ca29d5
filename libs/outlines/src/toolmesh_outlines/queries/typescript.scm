; What TypeScript and TSX have, next to ecmascript.scm.

; Definitions

(class_declaration
  name: (type_identifier) @name
  body: (_) @body) @definition.class

(abstract_class_declaration
  name: (type_identifier) @name
  body: (_) @body) @definition.class

(interface_declaration
  name: (type_identifier) @name
  body: (_) @body) @definition.interface

(enum_declaration
  name: (identifier) @name
  body: (_) @body) @definition.enum

(type_alias_declaration
  name: (type_identifier) @name) @definition.type

(internal_module
  name: (identifier) @name
  body: (_) @body) @definition.module

(function_signature name: (identifier) @name) @definition.function
(method_signature name: (property_identifier) @name) @definition.method
(abstract_method_signature name: (property_identifier) @name) @definition.method

(public_field_definition
  name: (property_identifier) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
  ]) @definition.method

; Uses

(type_identifier) @certain
(extends_clause value: (identifier) @reference.certain)

; Names bound in the file

(required_parameter pattern: (identifier) @local)
(optional_parameter pattern: (identifier) @local)
(type_parameter name: (type_identifier) @local)
