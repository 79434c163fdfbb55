//go:build race

package zoo_test

// slow is by how much the race detector makes cryptography slower, beside the other machines of the zoo.
const slow = 3
