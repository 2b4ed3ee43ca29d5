; What implementations and interfaces have in common.

; Definitions

(type_binding
  name: (type_constructor) @name
  body: (record_declaration)) @definition.struct

(type_binding
  name: (type_constructor) @name
  body: (variant_declaration)) @definition.enum

(type_binding name: (type_constructor) @name) @definition.type
(exception_definition (constructor_declaration (constructor_name) @name)) @definition.type

(module_binding
  (module_name) @name
  "="? @body
  module_type: (signature)? @body
  body: (structure)? @body) @definition.module

(module_type_definition
  (module_type_name) @name
  "="? @body) @definition.interface

(class_binding (class_name) @name "="? @body class_type: (_)? @body) @definition.class
(method_definition (method_name) @name "="? @body) @definition.method
(method_specification (method_name) @name) @definition.method

(value_specification
  [(value_name) @name (parenthesized_operator (_) @name)]
  type: (function_type)) @definition.function

(value_specification
  [(value_name) @name (parenthesized_operator (_) @name)]) @definition.variable

(external (value_name) @name) @definition.function

; Imports

(open_module module: (module_path) @import)
(include_module module: (module_path) @import)
(module_binding body: (module_path) @import)
(value_path (module_path) @import)
(constructor_path (module_path) @import)
(type_constructor_path (extended_module_path) @import)

; Uses

[(value_name) (value_pattern) (class_name)] @reference
[(type_constructor) (module_name) (module_type_name) (constructor_name)] @certain

(value_path (module_path) (value_name) @reference.certain)
(application_expression function: (value_path (value_name) @reference.certain))
(infix_expression operator: (_) @certain)
(method_invocation (method_name) @member)
(constructor_declaration (constructor_name) @ignore)

; Names bound in the file

(value_pattern) @local
(let_binding pattern: (value_name) @local)
