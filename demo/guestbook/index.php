<?php
// A guestbook: what visitors write is kept in the stack's database.

/** A variable of the app's environment. */
function setting(string $name): string
{
    return (string) ($_SERVER[$name] ?? getenv($name));
}

/** The database of the app's data source; it makes the table at first use. */
function database(): PDO
{
    $driver = setting('DATABASE_ADAPTER') === 'postgresql' ? 'pgsql' : 'mysql';
    $database = new PDO(
        $driver . ':host=' . setting('DATABASE_HOST') . ';port=' . setting('DATABASE_PORT') . ';dbname=' . setting('DATABASE_NAME'),
        setting('DATABASE_USERNAME'),
        setting('DATABASE_PASSWORD'),
        [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 5],
    );
    $database->exec('CREATE TABLE IF NOT EXISTS entries (name VARCHAR(60) NOT NULL, words VARCHAR(500) NOT NULL, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP)');
    return $database;
}

function text(string $value): string
{
    return htmlspecialchars($value, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
}

$entries = [];
$problem = '';
try {
    $database = database();
    $words = trim((string) ($_POST['words'] ?? ''));
    if ($words !== '') {
        $name = trim((string) ($_POST['name'] ?? '')) ?: 'Somebody';
        $database->prepare('INSERT INTO entries (name, words) VALUES (?, ?)')->execute([iconv_substr($name, 0, 60, 'UTF-8'), iconv_substr($words, 0, 500, 'UTF-8')]);
        header('Location: ./', true, 303);
        exit;
    }
    $entries = $database->query('SELECT name, words, at FROM entries ORDER BY at DESC LIMIT 50')->fetchAll(PDO::FETCH_ASSOC);
} catch (PDOException $e) {
    http_response_code(503);
    error_log('guestbook: ' . $e->getMessage());
    $problem = 'The database does not answer. Its instance may be stopped, or still starting.';
}
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Guestbook</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<main>
<h1>Guestbook</h1>
<p>A sample app of Opsyard. Answered by <?= text((string) gethostname()) ?>, kept in the stack's database.</p>
<?php if ($problem !== '') { ?>
<p class="problem" role="alert"><?= text($problem) ?></p>
<?php } else { ?>
<form method="post" action="./">
<label>Name <input name="name" maxlength="60" autocomplete="name"></label>
<label>Words <textarea name="words" maxlength="500" rows="3" required></textarea></label>
<button>Write</button>
</form>
<?php foreach ($entries as $entry) { ?>
<article>
<p><?= nl2br(text($entry['words'])) ?></p>
<p class="by"><?= text($entry['name']) ?>, <?= text($entry['at']) ?></p>
</article>
<?php } } ?>
</main>
</body>
</html>
