; What C++ has, next to c.scm.

; Definitions

(class_specifier
  name: [
    (type_identifier) @name
    (template_type name: (type_identifier) @name)
    (qualified_identifier name: (type_identifier) @name)
  ]
  body: (_) @body) @definition.class

; An operator such as `operator bool` has its type in its name, and no declarator around it.
; Names stand beside each other: where lists of them stand in lists, matches get lost.

(function_definition
  declarator: [
    (function_declarator
      declarator: [
        (field_identifier) @name
        (operator_name) @name
        (qualified_identifier
          name: [(identifier) (destructor_name) (operator_name)] @name)
        (qualified_identifier
          name: (qualified_identifier
            name: [(identifier) (operator_name)] @name))
      ])
    (pointer_declarator
      declarator: (function_declarator
        declarator: [
          (field_identifier) @name
          (operator_name) @name
          (qualified_identifier name: [(identifier) (operator_name)] @name)
          (qualified_identifier
            name: (qualified_identifier name: (operator_name) @name))
        ]))
    (reference_declarator
      (function_declarator
        declarator: [
          (identifier) @name
          (field_identifier) @name
          (operator_name) @name
          (qualified_identifier name: [(identifier) (operator_name)] @name)
          (qualified_identifier
            name: (qualified_identifier name: (operator_name) @name))
        ]))
    (operator_cast) @name
    (qualified_identifier name: (operator_cast) @name)
    (qualified_identifier
      name: (qualified_identifier name: (operator_cast) @name))
  ]
  (field_initializer_list)? @body
  body: (_) @body) @definition.function

(declaration
  declarator: [
    (function_declarator declarator: (operator_name) @name)
    (pointer_declarator
      declarator: (function_declarator declarator: (operator_name) @name))
    (reference_declarator
      (function_declarator declarator: (operator_name) @name))
    (operator_cast) @name
  ]) @definition.function

(field_declaration
  declarator: [
    (function_declarator
      declarator: [(field_identifier) (operator_name)] @name)
    (pointer_declarator
      declarator: (function_declarator
        declarator: [(field_identifier) (operator_name)] @name))
    (reference_declarator
      (function_declarator
        declarator: [(field_identifier) (operator_name)] @name))
  ]) @definition.method

(field_declaration_list
  (declaration
    declarator: (function_declarator
      declarator: (identifier) @name)) @definition.constructor)

(field_declaration_list
  (function_definition
    declarator: (function_declarator declarator: (identifier) @name)
    (field_initializer_list)? @body
    body: (_) @body) @definition.constructor)

(alias_declaration name: (type_identifier) @name) @definition.type
(concept_definition name: (identifier) @name) @definition.type

(namespace_definition
  body: (declaration_list
    (declaration
      (type_qualifier)
      declarator: (init_declarator
        declarator: (identifier) @name)) @definition.constant))

; Uses

(qualified_identifier name: (identifier) @reference.certain)
(qualified_identifier scope: (namespace_identifier) @certain)
(template_function name: (identifier) @reference.certain)

; Names bound in the file

(parameter_declaration
  declarator: (reference_declarator (identifier) @local))
(optional_parameter_declaration declarator: (identifier) @local)
(for_range_loop declarator: (identifier) @local)
(for_range_loop declarator: (reference_declarator (identifier) @local))
(compound_statement
  (declaration
    declarator: (init_declarator
      declarator: (reference_declarator (identifier) @local))))
(type_parameter_declaration (type_identifier) @local)
