; Definitions

(block
  (identifier) @_type
  . (string_lit)
  . (string_lit (template_literal) @name)
  . (block_start) @body
  (#any-of? @_type "resource" "data" "ephemeral")) @definition.struct

(block
  . (identifier) @_type
  . (string_lit (template_literal) @name)
  . (block_start) @body
  (#eq? @_type "variable")) @definition.variable

(block
  . (identifier) @_type
  . (string_lit (template_literal) @name)
  . (block_start) @body
  (#eq? @_type "output")) @definition.constant

(block
  . (identifier) @_type
  . (string_lit (template_literal) @name)
  . (block_start) @body
  (#eq? @_type "module")) @definition.module

(config_file
  (body
    (block
      . (identifier) @_type
      . (string_lit (template_literal) @name)
      . (block_start) @body
      (#not-match? @_type "^(variable|output|module|resource|data|ephemeral)$")) @definition.struct))

(block
  . (identifier) @_type
  . (block_start)
  . (body (attribute (identifier) @name) @definition.constant)
  (#eq? @_type "locals"))

; Imports

(block
  . (identifier) @_type
  (body
    (attribute
      (identifier) @_key
      (expression
        (literal_value (string_lit (template_literal) @import)))))
  (#eq? @_type "module")
  (#eq? @_key "source"))

; Uses

(get_attr (identifier) @reference)
(function_call (identifier) @reference)
