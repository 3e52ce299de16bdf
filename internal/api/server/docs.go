package server

import (
	_ "embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"
	swagger "github.com/swaggo/files/v2"
)

const docsCSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed docs.html
var docsPage []byte

//go:embed docs.js
var docsScript []byte

// mountDocs serves a page that shows the document at /docs. All of it is in the binary, so it works without the
// internet.
func (s *Server) mountDocs() {
	serve := func(at, contentType string, body []byte) {
		s.templates[at] = "/docs"
		s.app.Get(at, func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, contentType)
			c.Set(fiber.HeaderContentSecurityPolicy, docsCSP)
			c.Set(fiber.HeaderCacheControl, "max-age=3600")
			return c.Send(body)
		})
	}
	serve("/docs", fiber.MIMETextHTMLCharsetUTF8, docsPage)
	s.app.Get("/docs/", func(c *fiber.Ctx) error { // people write it so, and from there the page's relative addresses would lead elsewhere
		return c.Redirect("../docs", http.StatusPermanentRedirect)
	})
	serve("/docs/page.js", "text/javascript; charset=utf-8", docsScript)
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"} {
		if body, err := fs.ReadFile(swagger.FS, name); err == nil {
			serve("/docs/"+name, typeOf(name), body)
		}
	}
}

const siteCSP = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: https: http:; object-src 'none'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// mountSite serves Options.Site at /. It must be mounted last: it catches every GET outside /api/ whose file exists.
func (s *Server) mountSite() {
	if s.opts.Site == nil {
		return
	}
	s.app.Use(func(c *fiber.Ctx) error {
		if m := c.Method(); m != fiber.MethodGet && m != fiber.MethodHead || strings.HasPrefix(c.Path(), "/api/") {
			return c.Next()
		}
		name := strings.TrimPrefix(path.Clean("/"+c.Path()), "/")
		if name == "" {
			name = "index.html"
		}
		body, err := fs.ReadFile(s.opts.Site, name)
		if err != nil {
			return c.Next()
		}
		c.Set(fiber.HeaderContentType, typeOf(name))
		c.Set(fiber.HeaderContentSecurityPolicy, siteCSP)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Status(http.StatusOK).Send(body)
	})
}

// typeOf is the content type of a file, by its name.
func typeOf(name string) string {
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return fiber.MIMEOctetStream
}
