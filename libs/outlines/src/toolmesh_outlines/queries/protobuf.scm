; Definitions

(message
  (message_name (identifier) @name)
  (message_body) @body) @definition.struct

(enum
  (enum_name (identifier) @name)
  (enum_body) @body) @definition.enum

(service
  (service_name (identifier) @name)
  "{" @body) @definition.interface

(rpc
  (rpc_name (identifier) @name)
  "{"? @body) @definition.method

; Imports

(import path: (string) @import)

; Uses

(message_or_enum_type (identifier) @certain .)
(extend (full_ident (identifier) @certain .))
