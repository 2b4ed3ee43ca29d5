; Definitions

(class_declaration
  "enum"
  (type_identifier) @name
  (enum_class_body)? @body) @definition.enum

(class_declaration
  "interface"
  (type_identifier) @name
  (class_body)? @body) @definition.interface

(class_declaration
  "class"
  (type_identifier) @name
  (class_body)? @body) @definition.class

(object_declaration
  (type_identifier) @name
  (class_body)? @body) @definition.class

(type_alias (type_identifier) @name) @definition.type

(function_declaration
  (simple_identifier) @name
  (function_body)? @body) @definition.function

(secondary_constructor
  "constructor" @name
  "{"? @body) @definition.constructor

(class_body
  (property_declaration
    (variable_declaration . (simple_identifier) @name)
    ["=" (getter) (setter) (property_delegate)]? @body) @definition.property)

(source_file
  (property_declaration
    (modifiers (property_modifier) @_modifier)
    (variable_declaration . (simple_identifier) @name)) @definition.constant
  (#eq? @_modifier "const"))

(source_file
  (property_declaration
    (variable_declaration . (simple_identifier) @name)
    [(getter) (setter)]? @body) @definition.variable)

; Imports

(import_header (identifier) @import)

; Uses

[(simple_identifier) (type_identifier)] @reference

(call_expression . (simple_identifier) @reference.certain)
(navigation_suffix (simple_identifier) @reference.member)
(user_type (type_identifier) @reference.certain)
(callable_reference (simple_identifier) @reference.certain)
(infix_expression (simple_identifier) @reference.certain)
(value_argument . (simple_identifier) @ignore . "=")
(enum_entry (simple_identifier) @ignore)
(package_header (identifier (simple_identifier) @ignore))
(import_header (identifier (simple_identifier) @ignore))

; Names bound in the file

(parameter . (simple_identifier) @local)
(class_parameter (simple_identifier) @local)
(variable_declaration . (simple_identifier) @local)
(type_parameter . (type_identifier) @local)
(import_alias (type_identifier) @local)
