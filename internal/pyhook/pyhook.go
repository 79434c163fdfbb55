// Package pyhook holds what Python loads when it starts in a run, so that nothing that the run logged is lost.
package pyhook

import _ "embed"

// File is the name by which Python finds Script in a folder of PYTHONPATH.
const File = "sitecustomize.py"

// Script is Python 3.6 or newer, and nothing to older ones.
//
//go:embed sitecustomize.py
var Script []byte
