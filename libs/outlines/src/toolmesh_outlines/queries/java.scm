; Definitions

(class_declaration
  name: (identifier) @name
  body: (_) @body) @definition.class

(interface_declaration
  name: (identifier) @name
  body: (_) @body) @definition.interface

(annotation_type_declaration
  name: (identifier) @name
  body: (_) @body) @definition.interface

(enum_declaration
  name: (identifier) @name
  body: (_) @body) @definition.enum

(record_declaration
  name: (identifier) @name
  body: (_) @body) @definition.class

(method_declaration
  name: (identifier) @name
  body: (_)? @body) @definition.method

(annotation_type_element_declaration name: (identifier) @name) @definition.method

(constructor_declaration
  name: (identifier) @name
  body: (_) @body) @definition.constructor

(field_declaration
  (modifiers "static" "final")
  declarator: (variable_declarator name: (identifier) @name)) @definition.constant

(constant_declaration
  declarator: (variable_declarator name: (identifier) @name)) @definition.constant

; Imports

(import_declaration (scoped_identifier) @import)

; Uses

(identifier) @reference
(type_identifier) @certain

(method_invocation name: (identifier) @reference.certain)
(field_access field: (identifier) @reference.member)
(method_reference (identifier) @reference.certain)
[(marker_annotation name: (identifier) @reference.certain)
 (annotation name: (identifier) @reference.certain)]
(element_value_pair key: (identifier) @ignore)

; Names bound in the file

(formal_parameter name: (identifier) @local)
(catch_formal_parameter name: (identifier) @local)
(enhanced_for_statement name: (identifier) @local)
(variable_declarator name: (identifier) @local)
(inferred_parameters (identifier) @local)
(lambda_expression parameters: (identifier) @local)
(resource name: (identifier) @local)
(type_parameter (type_identifier) @local)
