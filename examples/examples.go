// Package examples holds the examples, so that the binary can run them anywhere.
package examples

import "embed"

// Digits is a training of scikit-learn's handwritten digits: digits/train.py, and its environment
// digits/conda.yml.
//
//go:embed digits/train.py digits/conda.yml
var Digits embed.FS
