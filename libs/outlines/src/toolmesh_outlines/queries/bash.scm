; Definitions

(function_definition
  name: (word) @name
  body: (_) @body) @definition.function

(program
  (variable_assignment name: (variable_name) @name) @definition.variable)

(program
  (declaration_command
    (variable_assignment name: (variable_name) @name)) @definition.variable)

; Imports

(command
  name: (command_name (word) @_command)
  . argument: (_) @import
  (#any-of? @_command "source" "."))

; Uses

[(command_name (word)) (variable_name)] @reference

(command_name (word) @reference.certain)
(variable_assignment name: (variable_name) @ignore)

; Names bound in the file

(function_definition
  body: (compound_statement
    (declaration_command
      [
        (variable_name) @local
        (variable_assignment name: (variable_name) @local)
      ])))
(for_statement variable: (variable_name) @local)
