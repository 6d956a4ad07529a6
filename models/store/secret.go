package store

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
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
	mac    []byte // a key of its own, for MAC
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
	mac := sha256.Sum256(append([]byte("opsyard key of signatures\x00"), key...))
	return SecretBox{id: hex.EncodeToString(sum[:4]), origin: "given key", aead: aead, mac: mac[:]}, nil
}

// MAC signs a message: whoever has the same secret key, and nobody else, makes
// the same signature. The purpose keeps signatures of one kind from passing for
// another.
func (s *Store) MAC(purpose, message string) []byte {
	mac := hmac.New(sha256.New, s.h.secrets.mac)
	mac.Write([]byte(purpose + "\x00" + message))
	return mac.Sum(nil)
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
// moved to another column. What comes out is the key's id and bytes.
func (b SecretBox) seal(place string, plain []byte) []byte {
	out := make([]byte, len(sealMark)+len(b.id)+1+b.aead.NonceSize(), len(sealMark)+len(b.id)+1+b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	head := copy(out, sealMark+b.id+".")
	rand.Read(out[head:])
	return b.aead.Seal(out, out[head:], plain, []byte(place))
}

// sealMark begins every sealed value and names the way it was made.
const sealMark = "s1."

func (b SecretBox) open(place string, sealed []byte) ([]byte, error) {
	rest, marked := bytes.CutPrefix(sealed, []byte(sealMark))
	id, body, cut := bytes.Cut(rest, []byte("."))
	switch {
	case !marked || !cut:
		return nil, fmt.Errorf("decrypt %s: it is not an encrypted value", place)
	case string(id) != b.id:
		return nil, fmt.Errorf("decrypt %s: it needs the secret key %q, this is %q", place, id, b.id)
	case len(body) < b.aead.NonceSize():
		return nil, fmt.Errorf("decrypt %s: the value is damaged", place)
	}
	plain, err := b.aead.Open(nil, body[:b.aead.NonceSize()], body[b.aead.NonceSize():], []byte(place))
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: the value is damaged", place)
	}
	return plain, nil
}

// sealText and openText are for columns of text.
func (b SecretBox) sealText(place string, plain []byte) string {
	return base64.RawStdEncoding.EncodeToString(b.seal(place, plain))
}

func (b SecretBox) openText(place, text string) ([]byte, error) {
	sealed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: it is not an encrypted value", place)
	}
	return b.open(place, sealed)
}

const secretCheckName = "secret_check"

// checkSecretKey refuses a key that did not write this database, before the
// first secret is misread or written with it.
func (h *handle) checkSecretKey(ctx context.Context) error {
	const place = "settings." + secretCheckName
	fresh := setting{Name: secretCheckName, Value: h.secrets.sealText(place, []byte("opsyard"))}
	err := h.w(ctx).Exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", fresh.Name, fresh.Value).Error
	if err != nil {
		return fmt.Errorf("store the check of the secret key: %w", err)
	}
	var stored setting
	if err := h.w(ctx).Where("name = ?", secretCheckName).Take(&stored).Error; err != nil {
		return fmt.Errorf("read the check of the secret key: %w", err)
	}
	if _, err := h.secrets.openText(place, stored.Value); err != nil {
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

// secretSerializer keeps a field encrypted: bytes as bytes, anything else as
// JSON in base64. An empty field is an empty value.
type secretSerializer struct{}

func place(field *schema.Field) string { return field.Schema.Table + "." + field.DBName }

func boxOf(ctx context.Context, field *schema.Field) (SecretBox, error) {
	box, ok := ctx.Value(boxKey{}).(SecretBox)
	if !ok {
		return box, fmt.Errorf("use %s: no secret key at hand", place(field))
	}
	return box, nil
}

// Scan reads a column into its field.
func (secretSerializer) Scan(ctx context.Context, field *schema.Field, dst reflect.Value, value any) error {
	target := reflect.New(field.FieldType)
	if sealed := columnText(value); sealed != "" {
		box, err := boxOf(ctx, field)
		if err != nil {
			return err
		}
		if err := unseal(box, field, sealed, target.Interface()); err != nil {
			return err
		}
	}
	field.ReflectValueOf(ctx, dst).Set(target.Elem())
	return nil
}

func columnText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func unseal(box SecretBox, field *schema.Field, sealed string, target any) (err error) {
	if data, ok := target.(*[]byte); ok {
		*data, err = box.open(place(field), []byte(sealed))
		return err
	}
	plain, err := box.openText(place(field), sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, target); err != nil {
		return fmt.Errorf("decode %s: %w", place(field), err)
	}
	return nil
}

// Value writes a field into its column.
func (secretSerializer) Value(ctx context.Context, field *schema.Field, _ reflect.Value, value any) (any, error) {
	box, err := boxOf(ctx, field)
	if err != nil {
		return nil, err
	}
	if data, ok := value.([]byte); ok {
		if len(data) == 0 {
			return []byte{}, nil
		}
		return box.seal(place(field), data), nil
	}
	if v := reflect.ValueOf(value); !v.IsValid() || v.IsZero() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0 {
		return "", nil
	}
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", place(field), err)
	}
	return box.sealText(place(field), plain), nil
}
