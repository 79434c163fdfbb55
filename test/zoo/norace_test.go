//go:build !race

package zoo_test

const slow = 1
