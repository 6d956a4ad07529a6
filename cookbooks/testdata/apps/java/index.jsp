<%@ page session="false" contentType="text/plain" %>@VERSION@ <%= System.getenv("GREETING") %> <%= new javax.naming.InitialContext().lookup("java:comp/env/GREETING") %>
