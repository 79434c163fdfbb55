// Package secret seals small secrets for storage.
package secret

import "context"

// Box seals small secrets.
type Box interface {
	// Seal encrypts plain. place names where the secret belongs ("compute/<id>/password"); it is
	// authenticated, so a sealed value moved to another record does not open.
	Seal(ctx context.Context, plain []byte, place string) (sealed []byte, err error)
	// Open fails with fault.Denied, Reason "SecretSealed", if the value was sealed for another place
	// or with a key that is not here.
	Open(ctx context.Context, sealed []byte, place string) ([]byte, error)
}
