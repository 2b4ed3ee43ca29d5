; What C and C++ have in common.

; Definitions

(function_definition
  declarator: [
    (function_declarator declarator: (identifier) @name)
    (function_declarator
      declarator: (parenthesized_declarator (identifier) @name))
    (pointer_declarator
      declarator: (function_declarator declarator: (identifier) @name))
    (pointer_declarator
      declarator: (function_declarator
        declarator: (parenthesized_declarator (identifier) @name)))
    (pointer_declarator
      declarator: (pointer_declarator
        declarator: (function_declarator declarator: (identifier) @name)))
  ]
  body: (_) @body) @definition.function

(declaration
  declarator: [
    (function_declarator declarator: (identifier) @name)
    (function_declarator
      declarator: (parenthesized_declarator (identifier) @name))
    (pointer_declarator
      declarator: (function_declarator declarator: (identifier) @name))
    (pointer_declarator
      declarator: (function_declarator
        declarator: (parenthesized_declarator (identifier) @name)))
    (pointer_declarator
      declarator: (pointer_declarator
        declarator: (function_declarator declarator: (identifier) @name)))
  ]) @definition.function

(struct_specifier
  name: (type_identifier) @name
  body: (_) @body) @definition.struct

(union_specifier
  name: (type_identifier) @name
  body: (_) @body) @definition.struct

(enum_specifier
  name: (type_identifier) @name
  body: (_) @body) @definition.enum

(type_definition
  type: [
    (struct_specifier body: (_) @body)
    (union_specifier body: (_) @body)
    (enum_specifier body: (_) @body)
  ]
  declarator: (type_identifier) @name) @definition.type

(type_definition
  declarator: [
    (type_identifier) @name
    (pointer_declarator declarator: (type_identifier) @name)
    (array_declarator declarator: (type_identifier) @name)
    (function_declarator
      declarator: [
        (type_identifier) @name
        (parenthesized_declarator (type_identifier) @name)
        (parenthesized_declarator
          (pointer_declarator declarator: (type_identifier) @name))
      ])
    (pointer_declarator
      declarator: (function_declarator
        declarator: [
          (type_identifier) @name
          (parenthesized_declarator (type_identifier) @name)
          (parenthesized_declarator
            (pointer_declarator declarator: (type_identifier) @name))
        ]))
  ]) @definition.type

(preproc_def
  name: (identifier) @name
  value: (_)) @definition.macro

(preproc_function_def
  name: (identifier) @name
  value: (_)? @body) @definition.macro

(translation_unit
  (declaration
    declarator: [
      (identifier) @name
      (pointer_declarator declarator: (identifier) @name)
      (array_declarator declarator: (identifier) @name)
      (init_declarator
        declarator: [
          (identifier) @name
          (pointer_declarator declarator: (identifier) @name)
          (array_declarator declarator: (identifier) @name)
        ])
    ]) @definition.variable)

; Imports

(preproc_include path: (string_literal) @import)
(preproc_include path: (system_lib_string) @import)

; Uses

(identifier) @reference
(type_identifier) @certain

(call_expression function: (identifier) @reference.certain)
(field_expression field: (field_identifier) @member)

; Names bound in the file

(parameter_declaration
  declarator: [
    (identifier) @local
    (pointer_declarator declarator: (identifier) @local)
    (array_declarator declarator: (identifier) @local)
  ])
(compound_statement
  (declaration
    declarator: [
      (identifier) @local
      (pointer_declarator declarator: (identifier) @local)
      (array_declarator declarator: (identifier) @local)
      (init_declarator
        declarator: [
          (identifier) @local
          (pointer_declarator declarator: (identifier) @local)
          (array_declarator declarator: (identifier) @local)
        ])
    ]))
(for_statement
  initializer: (declaration
    declarator: (init_declarator declarator: (identifier) @local)))
(preproc_params (identifier) @local)
