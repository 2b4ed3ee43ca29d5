; Definitions

(class_declaration
  name: (identifier) @name
  body: (_)? @body) @definition.class

(interface_declaration
  name: (identifier) @name
  body: (_)? @body) @definition.interface

(struct_declaration
  name: (identifier) @name
  body: (_)? @body) @definition.struct

(record_declaration
  name: (identifier) @name
  body: (_)? @body) @definition.class

(enum_declaration
  name: (identifier) @name
  body: (_)? @body) @definition.enum

(delegate_declaration name: (identifier) @name) @definition.type

(method_declaration
  name: (identifier) @name
  body: (_)? @body) @definition.method

(constructor_declaration
  name: (identifier) @name
  (constructor_initializer)? @body
  body: (_) @body) @definition.constructor

(property_declaration
  name: (identifier) @name
  accessors: (_) @body) @definition.property

(property_declaration
  name: (identifier) @name
  value: (_) @body) @definition.property

(field_declaration
  (modifier "const")
  (variable_declaration
    (variable_declarator name: (identifier) @name))) @definition.constant

(event_field_declaration
  (variable_declaration
    (variable_declarator name: (identifier) @name))) @definition.property

; Imports

(using_directive [(identifier) (qualified_name)] @import)

; Uses

(identifier) @reference

(invocation_expression function: (identifier) @reference.certain)
(member_access_expression name: (identifier) @reference.member)
(member_binding_expression name: (identifier) @reference.member)
(object_creation_expression type: (identifier) @reference.certain)
(generic_name (identifier) @reference.certain)
(base_list (identifier) @reference.certain)
(parameter type: (identifier) @reference.certain)
(variable_declaration type: (identifier) @reference.certain)
(type_argument_list (identifier) @reference.certain)
(attribute name: (identifier) @reference.certain)

; Names bound in the file

(parameter name: (identifier) @local)
(variable_declarator name: (identifier) @local)
(foreach_statement left: (identifier) @local)
(declaration_expression name: (identifier) @local)
(declaration_pattern name: (identifier) @local)
(implicit_parameter) @local
(catch_declaration name: (identifier) @local)
(type_parameter name: (identifier) @local)
