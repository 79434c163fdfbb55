package blob_test

import (
	"encoding/pem"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// script writes and reads files with azure-storage-blob. Its arguments are the addresses to write to and to read
// from, in pairs, and the CA's file.
const script = `
import sys
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient
ca, pairs = sys.argv[1], list(zip(sys.argv[2::2], sys.argv[3::2]))
def open_(url, **more):
    return BlobClient.from_blob_url(url, connection_verify=ca, retry_total=0, **more)
def fails(do, kind, code):
    try:
        do()
    except kind as e:
        assert e.error_code == code, (e.error_code, e)
        return
    raise AssertionError("it worked")
small, large, empty, broken, never, grown = pairs
whole = open_(small[0])
whole.upload_blob(b"hello world", overwrite=True)
read = open_(small[1])
assert read.download_blob().readall() == b"hello world"
assert read.download_blob(offset=3, length=4).readall() == b"lo w"
p = read.get_blob_properties()
assert (p.size, p.blob_type) == (11, "BlockBlob"), p
assert read.exists()
data = bytes(range(256)) * 40
parts = dict(max_single_put_size=1000, max_block_size=700, max_single_get_size=900, max_chunk_get_size=800)
open_(large[0], **parts).upload_blob(data, overwrite=True, max_concurrency=4)
assert open_(large[1], **parts).download_blob(max_concurrency=4).readall() == data
open_(empty[0]).upload_blob(b"", overwrite=True)
assert open_(empty[1]).download_blob().readall() == b""
fails(lambda: open_(broken[0]).commit_block_list([BlobBlock("YQ==")]), HttpResponseError, "InvalidInput")
fails(lambda: open_(small[1]).upload_blob(b"x", overwrite=True), HttpResponseError, "AuthenticationFailed")
fails(lambda: open_(never[1]).download_blob(), ResourceNotFoundError, "BlobNotFound")
assert not open_(never[1]).exists()
log = open_(grown[0], max_block_size=700)
log.create_append_blob()
log.upload_blob(b"one\n", blob_type="AppendBlob")
log.upload_blob(data, blob_type="AppendBlob")  # in pieces, each at the end of the one before
assert open_(grown[1], **parts).download_blob().readall() == b"one\n" + data
fails(lambda: open_(never[0]).append_block(b"x"), ResourceNotFoundError, "BlobNotFound")
fails(lambda: log.append_block(b"x", appendpos_condition=1), HttpResponseError, "ConditionNotMet")
print("WORKS")
`

// TestAzureStorageBlob has the real client write and read, where there is one: TEST_BLOB_PACKAGES is a folder that
// azure-storage-blob is installed in, for python3.
func TestAzureStorageBlob(t *testing.T) {
	t.Parallel()
	packages := os.Getenv("TEST_BLOB_PACKAGES")
	if packages == "" {
		if slices.Contains(strings.Split(os.Getenv("TEST_REQUIRE"), ","), "blob") {
			t.Fatal("TEST_BLOB_PACKAGES is not set")
		}
		t.Skip("needs azure-storage-blob: TEST_BLOB_PACKAGES")
	}
	r := newRig(t)
	s := r.serveTLS(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", script, ca}
	for _, path := range []string{"outputs/a b.txt", "large", "empty", "broken", "ü/never", "grown"} {
		args = append(args, r.WriteURL(u.Host, grant("run", path)), r.ReadURL(u.Host, grant("run", path)))
	}
	python := exec.CommandContext(t.Context(), "python3", args...)
	python.Env = append(os.Environ(), "PYTHONPATH="+packages)
	out, err := python.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "WORKS") {
		t.Errorf("%v: %s", err, out)
	}
}
