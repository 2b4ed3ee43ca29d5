package shop

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/gin-gonic/gin"
)

type shop struct{ db *sql.DB }

func (s *shop) users(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	// ruleid: go-sql-injection
	s.db.Query("SELECT * FROM users WHERE name = '" + name + "'")
	query := fmt.Sprintf("SELECT * FROM users WHERE name = '%s'", r.FormValue("name"))
	// ruleid: go-sql-injection
	s.db.QueryRowContext(r.Context(), query)
	// ok: go-sql-injection
	s.db.Query("SELECT * FROM users WHERE name = $1", name)
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	// ok: go-sql-injection
	s.db.Query(fmt.Sprintf("SELECT * FROM users LIMIT %d", limit))
}

func (s *shop) orders(c *gin.Context) {
	// ruleid: go-sql-injection
	s.db.Exec("DELETE FROM orders WHERE id = " + c.Param("id"))
	// ok: go-sql-injection
	s.db.Exec("DELETE FROM orders WHERE id = $1", c.Param("id"))
}

func ping(w http.ResponseWriter, r *http.Request) {
	host := r.FormValue("host")
	// ruleid: go-command-injection
	exec.Command("sh", "-c", "ping -c 1 "+host).Run()
	// ruleid: go-command-injection
	exec.CommandContext(r.Context(), r.FormValue("program")).Run()
	// ok: go-command-injection
	exec.Command("ping", "-c", "1", "--", host).Run()
}

func file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	// ruleid: go-path-traversal
	os.ReadFile(filepath.Join("/srv/files", name))
	// ruleid: go-path-traversal
	http.ServeFile(w, r, "/srv/files/"+name)
	// ok: go-path-traversal
	os.ReadFile(filepath.Join("/srv/files", filepath.Base(name)))
}

func localFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !filepath.IsLocal(name) {
		return
	}
	// ok: go-path-traversal
	os.ReadFile(filepath.Join("/srv/files", name))
}

func preview(w http.ResponseWriter, r *http.Request) {
	url := r.FormValue("url")
	// ruleid: go-ssrf
	http.Get(url)
	// ruleid: go-ssrf
	http.NewRequestWithContext(r.Context(), "GET", "http://"+r.FormValue("host")+"/status", nil)
	// ok: go-ssrf
	http.Get("https://api.example.com/users/" + r.FormValue("id"))
}

func leave(w http.ResponseWriter, r *http.Request) {
	// ruleid: go-open-redirect
	http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
	// ok: go-open-redirect
	http.Redirect(w, r, "/pages/"+r.FormValue("page"), http.StatusFound)
	// ok: go-open-redirect
	http.Redirect(w, r, "/", http.StatusFound)
}

func hello(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	// ruleid: go-reflected-xss
	fmt.Fprintf(w, "<p>Hello %s</p>", name)
	// ruleid: go-reflected-xss
	w.Write([]byte("<p>Hello " + name + "</p>"))
	// ruleid: go-reflected-xss
	show(template.HTML("<b>" + name + "</b>"))
	// ok: go-reflected-xss
	fmt.Fprintf(w, "<p>Hello %s</p>", html.EscapeString(name))
}

func search(w http.ResponseWriter, r *http.Request) {
	// ruleid: go-regex-from-request
	regexp.MustCompile(r.FormValue("text"))
	// ok: go-regex-from-request
	regexp.MustCompile(regexp.QuoteMeta(r.FormValue("text")))
	// ok: go-regex-from-request
	regexp.Compile(r.FormValue("text"))
}

func upload(w http.ResponseWriter, r *http.Request) {
	// ruleid: go-unbounded-body
	io.ReadAll(r.Body)
	var order map[string]any
	// ruleid: go-unbounded-body
	json.NewDecoder(r.Body).Decode(&order)
}

func boundedUpload(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	// ok: go-unbounded-body
	io.ReadAll(r.Body)
}
