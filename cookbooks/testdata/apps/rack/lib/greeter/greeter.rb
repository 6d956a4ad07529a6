module Greeter; GREETING = "from a bundle"; end
