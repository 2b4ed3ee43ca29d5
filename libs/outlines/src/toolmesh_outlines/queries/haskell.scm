; Definitions

(data_type name: (name) @name "where"? @body) @definition.struct
(newtype name: (name) @name "where"? @body) @definition.struct
(type_synomym name: (name) @name) @definition.type
(type_family name: (name) @name) @definition.type
(data_family name: (name) @name) @definition.type
(class name: (name) @name "where"? @body) @definition.trait
(instance name: (name) @name "where"? @body) @definition.implementation

(declarations
  [
    (signature name: [(variable) @name (prefix_id (operator) @name)])
    (signature (binding_list name: (variable) @name))
    (function name: [(variable) @name (prefix_id (operator) @name)] match: (_) @body)
    (function (infix operator: (operator) @name) match: (_) @body)
    (bind name: (variable) @name match: (_) @body)
  ] @definition.function)

(class_declarations
  [
    (signature name: [(variable) @name (prefix_id (operator) @name)])
    (function name: (variable) @name match: (_) @body)
    (bind name: (variable) @name match: (_) @body)
  ] @definition.method)

(instance_declarations
  [
    (function name: (variable) @name match: (_) @body)
    (bind name: (variable) @name match: (_) @body)
  ] @definition.method)

(fields (field name: (field_name (variable) @name)) @definition.property)

(foreign_import (signature name: (variable) @name)) @definition.function
(pattern_synonym (_ synonym: (constructor) @name)) @definition.constant
(pattern_synonym (_ synonym: (prefix name: (constructor) @name))) @definition.constant

; Imports

(import module: (module) @import)

; Uses

[(variable) (name) (constructor) (operator)] @reference

(apply function: (variable) @reference.certain)
(apply function: (qualified id: (variable) @reference.certain))
(infix left_operand: (variable) @reference.certain)
(infix right_operand: (variable) @reference.certain)
[(name) (constructor) (operator)] @reference.certain
(import_name (_) @reference.certain)
(field_update field: (field_name (variable) @reference.certain))
(signature name: (variable) @ignore)
(function name: (variable) @ignore)

; Names bound in the file

(patterns (variable) @local)
(patterns (parens pattern: (apply argument: (variable) @local)))
(lambda (patterns (variable) @local))
(bind pattern: (variable) @local)
(alternative pattern: (variable) @local)
(alternative pattern: (apply argument: (variable) @local))
(local_binds decl: (bind name: (variable) @local))
