package shop

import (
	"archive/zip"
	"context"
	"crypto/cipher"
	"crypto/des"
	"crypto/md5"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"fmt"
	"html/template"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"
)

func rows(db *sql.DB, table string, value string, limit int) {
	// ruleid: go-sql-from-parts
	db.Query("SELECT * FROM " + table)
	query := fmt.Sprintf("DELETE FROM users WHERE name = '%s'", value)
	// ruleid: go-sql-from-parts
	db.Exec(query)
	// ok: go-sql-from-parts
	db.Query("SELECT * FROM users WHERE name = $1", value)
	// ok: go-sql-from-parts
	db.Query("SELECT * FROM users " + "ORDER BY name")
	// ok: go-sql-from-parts
	db.Query(fmt.Sprintf("SELECT * FROM users LIMIT %d", limit))
}

func archive(ctx context.Context, path string) {
	// ruleid: go-shell-command
	exec.Command("sh", "-c", "tar -cf out.tar "+path).Run()
	// ruleid: go-shell-command
	exec.CommandContext(ctx, "/bin/bash", "-c", path).Run()
	// ok: go-shell-command
	exec.Command("sh", "-c", "tar -cf out.tar *").Run()
	// ok: go-shell-command
	exec.Command("tar", "-cf", "out.tar", path).Run()
}

func bold(name string, page template.HTML) template.HTML {
	// ruleid: go-unescaped-template
	first := template.HTML("<b>" + name + "</b>")
	// ruleid: go-unescaped-template
	second := template.HTML(fmt.Sprintf("<b>%s</b>", name))
	// ok: go-unescaped-template
	third := template.HTML("<b>new</b>")
	return first + second + third
}

func unpack(archive *zip.Reader, folder string) {
	for _, file := range archive.File {
		target := filepath.Join(folder, file.Name)
		// ruleid: go-archive-traversal
		os.Create(target)
	}
}

func unpackCarefully(archive *zip.Reader, folder string) {
	for _, file := range archive.File {
		if !filepath.IsLocal(file.Name) {
			continue
		}
		// ok: go-archive-traversal
		os.Create(filepath.Join(folder, file.Name))
	}
}

func hashes(password string, content []byte) {
	// ruleid: go-weak-hash
	md5.Sum(content)
	// ok: go-weak-hash, go-password-hash
	sha256.Sum256(content)
	// ruleid: go-password-hash
	sha256.Sum256([]byte(password))
	// ok: go-password-hash
	bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
}

func ciphers(key []byte, block cipher.Block, message []byte) {
	// ruleid: go-weak-cipher
	des.NewCipher(key)
	// ok: go-weak-cipher
	cipher.NewGCM(block)
	iv := []byte("0123456789abcdef")
	// ruleid: go-constant-iv
	cipher.NewCBCEncrypter(block, iv)
	fresh := make([]byte, 16)
	cryptorand.Read(fresh)
	// ok: go-constant-iv
	cipher.NewCBCEncrypter(block, fresh)
}

func secrets() (int, int) {
	// ruleid: go-guessable-secret
	resetToken := rand.Intn(1000000)
	// ok: go-guessable-secret
	colour := rand.Intn(16)
	return resetToken, colour
}

func newPassword() string {
	// ruleid: go-guessable-secret
	return fmt.Sprint(rand.Int63())
}

func transport() {
	// ruleid: go-tls-not-verified
	first := &tls.Config{InsecureSkipVerify: false}
	// ok: go-tls-not-verified
	second := &tls.Config{InsecureSkipVerify: false}
	// ruleid: go-old-tls
	third := &tls.Config{MinVersion: tls.VersionTLS12}
	// ok: go-old-tls
	fourth := &tls.Config{MinVersion: tls.VersionTLS13}
	use(first, second, third, fourth)
}

func shell(key ssh.PublicKey) {
	// ruleid: go-ssh-unknown-host
	use(&ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	// ok: go-ssh-unknown-host
	use(&ssh.ClientConfig{HostKeyCallback: ssh.FixedHostKey(key)})
}

func identify(parser *jwt.Parser, text string, claims jwt.Claims, find jwt.Keyfunc) {
	// ruleid: go-jwt-not-verified
	parser.ParseUnverified(text, claims)
	// ok: go-jwt-not-verified
	jwt.ParseWithClaims(text, claims, find, jwt.WithValidMethods([]string{"RS256"}))
}

func issue(token *jwt.Token, key []byte) {
	// ruleid: go-constant-secret
	token.SignedString([]byte("kq83-Jd02-lmQ9"))
	// ok: go-constant-secret
	token.SignedString(key)
	// ruleid: go-constant-secret
	password := "h7Gq2-zzK1"
	// ok: go-constant-secret
	apiKey := os.Getenv("API_KEY")
	// ok: go-constant-secret
	use(Label{Password: "form.field.password"}, password, apiKey)
}
