; Definitions

(call
  target: (identifier) @_define
  (arguments . (alias) @name)
  (do_block)? @body
  (#eq? @_define "defmodule")) @definition.module

(call
  target: (identifier) @_define
  (arguments . (alias) @name)
  (do_block)? @body
  (#eq? @_define "defprotocol")) @definition.interface

(call
  target: (identifier) @_define
  (arguments . (alias) @name)
  (do_block)? @body
  (#eq? @_define "defimpl")) @definition.implementation

(call
  target: (identifier) @_define
  (arguments
    . [
      (identifier) @name
      (call target: (identifier) @name)
      (binary_operator
        left: [(identifier) @name (call target: (identifier) @name)]
        operator: "when")
    ]
    (keywords)? @body)
  (do_block)? @body
  (#any-of? @_define "def" "defp" "defdelegate" "defn" "defnp")) @definition.function

(call
  target: (identifier) @_define
  (arguments
    . [
      (identifier) @name
      (call target: (identifier) @name)
      (binary_operator
        left: [(identifier) @name (call target: (identifier) @name)]
        operator: "when")
    ]
    (keywords)? @body)
  (do_block)? @body
  (#any-of? @_define "defmacro" "defmacrop" "defguard" "defguardp")) @definition.macro

(unary_operator
  operator: "@"
  operand: (call
    target: (identifier) @_attribute
    (arguments
      . (binary_operator
        left: [(identifier) @name (call target: (identifier) @name)]
        operator: "::")))
  (#any-of? @_attribute "type" "typep" "opaque")) @definition.type

(unary_operator
  operator: "@"
  operand: (call
    target: (identifier) @_attribute
    (arguments
      . (binary_operator
        left: (call target: (identifier) @name)
        operator: "::")))
  (#any-of? @_attribute "callback" "macrocallback")) @definition.method

; Imports

(call
  target: (identifier) @_import
  (arguments . [(alias) (dot)] @import)
  (#any-of? @_import "alias" "import" "use" "require"))

; Uses

[(identifier) (alias)] @reference

(call target: (identifier) @reference.certain)
(alias) @reference.certain
(dot left: (_) right: (identifier) @reference.member)
(unary_operator operator: "&" operand: (binary_operator left: (identifier) @reference.certain))
(binary_operator operator: "|>" right: (identifier) @reference.certain)
(unary_operator operator: "@" operand: (identifier) @ignore)
(unary_operator operator: "@" operand: (call target: (identifier) @ignore))

; Names bound in the file

(call
  target: (identifier) @_define
  (arguments (call (arguments (identifier) @local)))
  (#any-of? @_define "def" "defp" "defmacro" "defmacrop"))
(binary_operator left: (identifier) @local operator: "=")
(binary_operator left: (identifier) @local operator: "<-")
(stab_clause left: (arguments (identifier) @local))
