// Package archtest holds the rules which package may import which, as a test: see layers_test.go.
package archtest
