package rig

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// The key of Azurite's account is published with it.
const azuriteKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

const azuriteVersion = "2020-12-06" // of the signatures

// Azurite is the emulator of Azure Storage by the URL of its account: see test/engines/azurite.sh.
type Azurite string

func (a Azurite) account() string { return path.Base(string(a)) }

// MakeContainer makes a container, by a signature of the account.
func (a Azurite) MakeContainer(name string) error {
	end := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	q := url.Values{"sv": {azuriteVersion}, "ss": {"b"}, "srt": {"c"}, "sp": {"rwdlc"}, "se": {end}, "spr": {"https,http"}}
	q.Set("sig", sign(a.account(), "rwdlc", "b", "c", "", end, "", "https,http", azuriteVersion, "", ""))
	q.Set("restype", "container")
	return tell(http.MethodPut, string(a)+"/"+name+"?"+q.Encode())
}

// SAS returns the URL of a container with a signature that has these rights until then.
func (a Azurite) SAS(name, rights string, end time.Time) string {
	se := end.UTC().Format(time.RFC3339)
	q := url.Values{"sv": {azuriteVersion}, "sr": {"c"}, "sp": {rights}, "se": {se}}
	q.Set("sig", sign(rights, "", se, "/blob/"+a.account()+"/"+name, "", "", "", azuriteVersion, "c", "", "", "", "", "", "", ""))
	return string(a) + "/" + name + "?" + q.Encode()
}

// sign signs the fields of a shared access signature. Source: Azure Storage, service and account SAS of 2020-12-06.
func sign(fields ...string) string {
	key, err := base64.StdEncoding.DecodeString(azuriteKey)
	if err != nil {
		panic(err) // it stands above
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(fields, "\n")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Blobs lists the blobs of a container as Azure Storage says them, in XML.
func (a Azurite) Blobs(name string) (string, error) {
	resp, err := http.Get(a.SAS(name, "rl", time.Now().Add(time.Hour)) + "&restype=container&comp=list")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func tell(method, u string) error {
	r, err := http.NewRequest(method, u, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		b, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, b)
	}
	return nil
}
