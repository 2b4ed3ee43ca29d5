; Definitions

(Decl
  (VarDecl
    variable_type_function: (IDENTIFIER) @name
    "=" @body
    (ErrorUnionExpr (SuffixExpr (ContainerDecl (ContainerDeclType ["struct" "union" "opaque"])))))) @definition.struct

(Decl
  (VarDecl
    variable_type_function: (IDENTIFIER) @name
    "=" @body
    (ErrorUnionExpr (SuffixExpr (ContainerDecl (ContainerDeclType "enum")))))) @definition.enum

(Decl
  (VarDecl
    variable_type_function: (IDENTIFIER) @name
    "=" @body
    (ErrorUnionExpr (SuffixExpr (ErrorSetDecl))))) @definition.enum

; A function that returns a type is how a generic struct is written.
(Decl
  (FnProto
    function: (IDENTIFIER) @name
    (ErrorUnionExpr (SuffixExpr (BuildinTypeExpr) @_result)))
  (Block) @body
  (#eq? @_result "type")) @definition.struct

(Decl
  (FnProto function: (IDENTIFIER) @name)
  (Block)? @body) @definition.function

(Decl
  (VarDecl "const" variable_type_function: (IDENTIFIER) @name)) @definition.constant

(Decl
  (VarDecl "var" variable_type_function: (IDENTIFIER) @name)) @definition.variable

; Imports

(SuffixExpr
  (BUILTINIDENTIFIER) @_function
  (FnCallArguments
    (ErrorUnionExpr (SuffixExpr (STRINGLITERALSINGLE) @import.relative)))
  (#eq? @_function "@import")
  (#match? @import.relative "[.]zig\"$"))

; Uses

(IDENTIFIER) @reference

(FieldOrFnCall (IDENTIFIER) @reference.member)
(SuffixExpr
  . variable_type_function: (IDENTIFIER) @reference.certain
  . (FnCallArguments))
(FieldInit field_member: (IDENTIFIER) @ignore)
(ContainerField field_member: (IDENTIFIER) @ignore)
(SuffixExpr field_constant: (IDENTIFIER) @reference.member)
(ErrorSetDecl field_constant: (IDENTIFIER) @ignore)

; Names bound in the file

(ParamDecl parameter: (IDENTIFIER) @local)
(Statement (VarDecl variable_type_function: (IDENTIFIER) @local))
(Payload variable: (IDENTIFIER) @local)
(PtrPayload variable: (IDENTIFIER) @local)
(PtrListPayload variable: (IDENTIFIER) @local)
(PtrIndexPayload variable: (IDENTIFIER) @local)
