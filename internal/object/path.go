package object

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/id"
)

// Bounds of paths: what every file system that zaffre meets can write.
const (
	maxPath    = 1024 // bytes
	maxSegment = 255  // bytes between two slashes
)

// CheckPath reports why a path cannot be a file's: it is relative, clean, UTF-8 without control
// characters, at most 1024 bytes and 255 between two slashes.
func CheckPath(path string) error {
	why := ""
	switch {
	case path == "":
		why = "it is empty"
	case len(path) > maxPath:
		why = fmt.Sprintf("it is longer than %d bytes", maxPath)
	case !utf8.ValidString(path):
		why = "it is not valid UTF-8"
	case strings.ContainsFunc(path, unicode.IsControl):
		why = "it holds a control character"
	case path[0] == '/':
		why = "it starts with a slash"
	default:
		why = badSegment(path)
	}
	if why == "" {
		return nil
	}
	return &fault.Error{
		Code: fault.Invalid, Reason: "ArtifactPathInvalid", What: fmt.Sprintf("the path %.100q cannot be used", path),
		Why: why, Fix: `choose a relative path such as "outputs/model.pkl"`, Field: "path",
	}
}

func badSegment(path string) string {
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "":
			return "it has two slashes in a row, or one at its end"
		case segment == "." || segment == "..":
			return "it holds . or .. as a folder"
		case len(segment) > maxSegment:
			return fmt.Sprintf("a part of it is longer than %d bytes", maxSegment)
		}
	}
	return ""
}

// newBlob names the bytes of one upload. The folders keep any of them from holding very many.
func newBlob() string {
	name := id.New()
	return "objects/" + name[len(name)-2:] + "/" + name
}

// BlobOf returns the name of a file's bytes.
func BlobOf(f File) string {
	if f.Blob != "" {
		return f.Blob
	}
	h := sha256.Sum256([]byte(f.Path))
	return "runs/" + f.Owner + "/files/" + hex.EncodeToString(h[:16])
}
