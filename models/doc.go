// Package models is the language of Opsyard: the nouns of OpsWorks Stacks,
// their states and moves, their validation, permissions and errors.
//
// It imports the standard library only. Methods on a noun look at that noun
// alone; rules over two nouns live in engine, queries in models/store. Struct
// tags for the database are plain strings; "serializer:secret" marks columns
// that the store encrypts.
package models
