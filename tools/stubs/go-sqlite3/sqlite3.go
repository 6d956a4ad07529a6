// Package sqlite3 stands in for the C driver that gorm.io/driver/sqlite imports
// and Opsyard never uses: models/store hands GORM the pure Go driver. Without
// it a build needs no C compiler, saves a minute and the binary a second SQLite.
package sqlite3
