// Starts Swagger UI on the document named by the page. A session of the panel needs its CSRF token with every change.
"use strict";

const csrfToken = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];

window.ui = SwaggerUIBundle({
  url: document.getElementById("swagger-ui").dataset.schema,
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
  requestInterceptor: (request) => {
    const token = csrfToken();
    if (token && new URL(request.url, location.href).origin === location.origin) {
      request.headers["X-CSRFToken"] = token;
    }
    return request;
  },
});
