package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"gorm.io/gorm/schema"
)

// SecretKeyEnv names the environment variable that holds the secret key, in
// base64, instead of a file.
const SecretKeyEnv = "OPSYARD_SECRET_KEY"

const secretKeyBytes = 32

// SecretBox encrypts what must not lie readable in the database or its
// backups. The key is kept apart from both.
type SecretBox struct {
	id     string // names the key without telling it
	origin string // where the key came from, for messages
	aead   cipher.AEAD
}

// NewSecretBox makes a box from a key of 32 bytes.
func NewSecretBox(key []byte) (SecretBox, error) {
	if len(key) != secretKeyBytes {
		return SecretBox{}, fmt.Errorf("a secret key has %d bytes, not %d", secretKeyBytes, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return SecretBox{}, fmt.Errorf("use the secret key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return SecretBox{}, fmt.Errorf("use the secret key: %w", err)
	}
	sum := sha256.Sum256(append([]byte("opsyard secret key id\x00"), key...))
	return SecretBox{id: hex.EncodeToString(sum[:4]), origin: "given key", aead: aead}, nil
}

// LoadSecretBox reads the key from the environment or from a file, which it
// makes when there is none.
func LoadSecretBox(path string) (SecretBox, error) {
	if text := os.Getenv(SecretKeyEnv); text != "" {
		return parseKey(text, "key in "+SecretKeyEnv)
	}
	if err := makeKeyFile(path); err != nil {
		return SecretBox{}, fmt.Errorf("make the secret key file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return SecretBox{}, fmt.Errorf("read the secret key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return SecretBox{}, fmt.Errorf("the secret key file %s can be read by others: run chmod 600 on it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return SecretBox{}, fmt.Errorf("read the secret key: %w", err)
	}
	return parseKey(string(text), "key in "+path)
}

func parseKey(text, origin string) (SecretBox, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != secretKeyBytes {
		return SecretBox{}, fmt.Errorf("the %s is not base64 of %d bytes", origin, secretKeyBytes)
	}
	box, err := NewSecretBox(key)
	box.origin = origin
	return box, err
}

// makeKeyFile makes the file whole or not at all: it is linked into place when
// it is on disk, and a second server that starts at the same time loses.
func makeKeyFile(path string) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	key := make([]byte, secretKeyBytes)
	rand.Read(key)
	_, err = file.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// seal encrypts; place (table.column) is bound in, so that a value cannot be
// moved to another column.
func (b SecretBox) seal(place string, plain []byte) string {
	nonce := make([]byte, b.aead.NonceSize(), b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	rand.Read(nonce)
	return "s1." + b.id + "." + base64.RawStdEncoding.EncodeToString(b.aead.Seal(nonce, nonce, plain, []byte(place)))
}

func (b SecretBox) open(place, sealed string) ([]byte, error) {
	id, body, ok := strings.Cut(strings.TrimPrefix(sealed, "s1."), ".")
	if !ok || !strings.HasPrefix(sealed, "s1.") {
		return nil, fmt.Errorf("decrypt %s: it is not an encrypted value", place)
	}
	if id != b.id {
		return nil, fmt.Errorf("decrypt %s: it needs the secret key %s, this is %s", place, id, b.id)
	}
	raw, err := base64.RawStdEncoding.DecodeString(body)
	if err != nil || len(raw) < b.aead.NonceSize() {
		return nil, fmt.Errorf("decrypt %s: the value is damaged", place)
	}
	nonce := raw[:b.aead.NonceSize()]
	plain, err := b.aead.Open(nil, nonce, raw[len(nonce):], []byte(place))
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: the value is damaged", place)
	}
	return plain, nil
}

const secretCheckName = "secret_check"

// checkSecretKey refuses a key that did not write this database, before the
// first secret is misread or written with it.
func (h *handle) checkSecretKey(ctx context.Context) error {
	const place = "settings." + secretCheckName
	fresh := setting{Name: secretCheckName, Value: h.secrets.seal(place, []byte("opsyard"))}
	err := h.w(ctx).Exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", fresh.Name, fresh.Value).Error
	if err != nil {
		return fmt.Errorf("store the check of the secret key: %w", err)
	}
	var stored setting
	if err := h.w(ctx).Where("name = ?", secretCheckName).Take(&stored).Error; err != nil {
		return fmt.Errorf("read the check of the secret key: %w", err)
	}
	if _, err := h.secrets.open(place, stored.Value); err != nil {
		return fmt.Errorf("the %s does not belong to this database: its secrets were encrypted with another key. Put back the key file that was made with it (%w)", h.secrets.origin, err)
	}
	return nil
}

// setting is one value about the database itself.
type setting struct {
	Name  string `gorm:"primaryKey;size:64"`
	Value string `gorm:"not null"`
}

func (setting) TableName() string { return "settings" }

type boxKey struct{}

// withBox hands the box to the serializer; GORM's registry of serializers is
// global, the key must not be.
func withBox(ctx context.Context, b SecretBox) context.Context {
	return context.WithValue(ctx, boxKey{}, b)
}

func init() { schema.RegisterSerializer("secret", secretSerializer{}) }

// secretSerializer keeps a field as encrypted JSON; an empty field is an empty
// string.
type secretSerializer struct{}

func place(field *schema.Field) string { return field.Schema.Table + "." + field.DBName }

// Scan reads a column into its field.
func (secretSerializer) Scan(ctx context.Context, field *schema.Field, dst reflect.Value, value any) error {
	var sealed string
	switch v := value.(type) {
	case string:
		sealed = v
	case []byte:
		sealed = string(v)
	}
	target := reflect.New(field.FieldType)
	if sealed != "" {
		box, ok := ctx.Value(boxKey{}).(SecretBox)
		if !ok {
			return fmt.Errorf("decrypt %s: no secret key at hand", place(field))
		}
		plain, err := box.open(place(field), sealed)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(plain, target.Interface()); err != nil {
			return fmt.Errorf("decode %s: %w", place(field), err)
		}
	}
	field.ReflectValueOf(ctx, dst).Set(target.Elem())
	return nil
}

// Value writes a field into its column.
func (secretSerializer) Value(ctx context.Context, field *schema.Field, _ reflect.Value, value any) (any, error) {
	if v := reflect.ValueOf(value); !v.IsValid() || v.IsZero() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0 {
		return "", nil
	}
	box, ok := ctx.Value(boxKey{}).(SecretBox)
	if !ok {
		return nil, fmt.Errorf("encrypt %s: no secret key at hand", place(field))
	}
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", place(field), err)
	}
	return box.seal(place(field), plain), nil
}
