; Definitions

(class_declaration
  declaration_kind: "class"
  name: (type_identifier) @name
  body: (_) @body) @definition.class

(class_declaration
  declaration_kind: "actor"
  name: (type_identifier) @name
  body: (_) @body) @definition.class

(class_declaration
  declaration_kind: "struct"
  name: (type_identifier) @name
  body: (_) @body) @definition.struct

(class_declaration
  declaration_kind: "enum"
  name: (type_identifier) @name
  body: (_) @body) @definition.enum

(class_declaration
  declaration_kind: "extension"
  name: (user_type (type_identifier) @name .)
  body: (_) @body) @definition.implementation

(protocol_declaration
  name: (type_identifier) @name
  body: (_) @body) @definition.interface

(typealias_declaration . (modifiers)? name: (type_identifier) @name) @definition.type
(associatedtype_declaration name: (type_identifier) @name) @definition.type

(function_declaration
  name: (simple_identifier) @name
  body: (_)? @body) @definition.function

(protocol_function_declaration
  name: (simple_identifier) @name) @definition.method

(init_declaration
  name: "init" @name
  body: (_)? @body) @definition.constructor

(protocol_property_declaration
  name: (pattern bound_identifier: (simple_identifier) @name)
  (protocol_property_requirements) @body) @definition.property

(class_body
  (property_declaration
    name: (pattern bound_identifier: (simple_identifier) @name)
    "="? @body
    computed_value: (_)? @body) @definition.property)

(enum_class_body
  (property_declaration
    name: (pattern bound_identifier: (simple_identifier) @name)
    "="? @body
    computed_value: (_)? @body) @definition.property)

(source_file
  (property_declaration
    name: (pattern bound_identifier: (simple_identifier) @name)
    computed_value: (_)? @body) @definition.variable)

(macro_declaration (simple_identifier) @name) @definition.macro

; Imports

(import_declaration (identifier) @import)

; Uses

[(simple_identifier) (type_identifier)] @reference

(call_expression . (simple_identifier) @reference.certain)
(navigation_suffix suffix: (simple_identifier) @reference.member)
(prefix_expression operation: "." target: (simple_identifier) @reference.member)
(user_type (type_identifier) @reference.certain)
(value_argument_label (simple_identifier) @ignore)
(parameter external_name: (simple_identifier) @ignore)
(enum_entry name: (simple_identifier) @ignore)
(import_declaration (identifier (simple_identifier) @ignore))

; Names bound in the file

(parameter name: (simple_identifier) @local)
(lambda_parameter name: (simple_identifier) @local)
(pattern bound_identifier: (simple_identifier) @local)
(type_parameter . (type_identifier) @local)
