; Definitions

(class_declaration
  name: (name) @name
  body: (_) @body) @definition.class

(interface_declaration
  name: (name) @name
  body: (_) @body) @definition.interface

(trait_declaration
  name: (name) @name
  body: (_) @body) @definition.trait

(enum_declaration
  name: (name) @name
  body: (_) @body) @definition.enum

(method_declaration
  name: (name) @name
  body: (_)? @body) @definition.method

(function_definition
  name: (name) @name
  body: (_) @body) @definition.function

(const_declaration (const_element . (name) @name)) @definition.constant

; Imports

(namespace_use_declaration
  (namespace_use_clause (qualified_name) @import))
(namespace_use_declaration
  (namespace_name) @import
  body: (namespace_use_group
    (namespace_use_clause . (name) @import.item)))

; Uses

(name) @reference

(function_call_expression function: (name) @reference.certain)
(function_call_expression
  function: (qualified_name (name) @reference.certain))
(member_call_expression name: (name) @reference.member)
(nullsafe_member_call_expression name: (name) @reference.member)
(scoped_call_expression name: (name) @reference.member)
(scoped_call_expression scope: (name) @reference.certain)
(member_access_expression name: (name) @reference.member)
(object_creation_expression (name) @reference.certain)
(class_constant_access_expression (name) @reference.certain)
(base_clause (name) @reference.certain)
(class_interface_clause (name) @reference.certain)
(use_declaration (name) @reference.certain)
(named_type (name) @reference.certain)
(named_type (qualified_name (name) @reference.certain))
(namespace_definition name: (namespace_name (name) @ignore))
(qualified_name prefix: (namespace_name (name) @ignore))

; Names bound in the file

(variable_name (name) @local)
