namespace Tessera.Runs;

/// <summary>
/// The folder of one stage, <c>ROOT/STAGE-HASH12</c>, with its <c>manifest.json</c>. The same settings and inputs find the same
/// folder again, so a stage that is complete is not repeated and one that was killed goes on in its place.
/// </summary>
public sealed class RunFolder
{
    /// <summary>File name of the manifest.</summary>
    public const string ManifestName = "manifest.json";

    /// <summary>File name of the lock; the file stays behind empty.</summary>
    public const string LockName = "run.lock";

    private readonly TimeProvider _clock;

    private RunFolder(string path, RunManifest manifest, TimeProvider clock)
    {
        FullPath = path;
        Manifest = manifest;
        _clock = clock;
    }

    /// <summary>Absolute path of the folder.</summary>
    public string FullPath { get; }

    /// <summary>The manifest as last written or read by this object.</summary>
    public RunManifest Manifest { get; private set; }

    /// <summary>Whether the stage's outputs are all there.</summary>
    public bool IsComplete => Manifest.Status == RunStatus.Complete;

    /// <summary>Opens or makes the folder of a stage.</summary>
    /// <param name="root">Folder of all stages, made if missing.</param>
    /// <param name="stage">What is to be computed.</param>
    /// <param name="clock">Clock of the manifest; the system's if null.</param>
    /// <exception cref="ArgumentException">The stage's name is not made of lower-case letters, digits and hyphens.</exception>
    /// <exception cref="InvalidDataException">The manifest is unreadable or belongs to other settings; one sentence.</exception>
    public static RunFolder Open(string root, RunStage stage, TimeProvider? clock = null)
    {
        if (Find(root, stage, clock) is { } found)
        {
            return found;
        }

        clock ??= TimeProvider.System;
        string path = Path.Combine(Path.GetFullPath(root), NameOf(stage));
        Directory.CreateDirectory(path);
        RunManifest manifest = Describe(stage, clock.GetUtcNow());
        ManifestJson.Write(Path.Combine(path, ManifestName), manifest);
        return new RunFolder(path, manifest, clock);
    }

    /// <summary>The folder of a stage if it was opened before, without touching the disk; otherwise null.</summary>
    /// <inheritdoc cref="Open" />
    public static RunFolder? Find(string root, RunStage stage, TimeProvider? clock = null)
    {
        string path = Path.Combine(Path.GetFullPath(root), NameOf(stage));
        string manifestPath = Path.Combine(path, ManifestName);
        if (!File.Exists(manifestPath))
        {
            return null;
        }

        RunManifest found = ManifestJson.Read(manifestPath);
        Check(manifestPath, stage, found);
        return new RunFolder(path, found, clock ?? TimeProvider.System);
    }

    /// <summary>The manifest of a folder that somebody else opened.</summary>
    /// <exception cref="InvalidDataException">It is no manifest.</exception>
    /// <exception cref="IOException">There is none.</exception>
    public static RunManifest ReadManifest(string folder) => ManifestJson.Read(Path.Combine(folder, ManifestName));

    /// <summary>Name of a stage's folder below its root, <c>STAGE-HASH12</c>.</summary>
    /// <exception cref="ArgumentException">The stage's name is not made of lower-case letters, digits and hyphens.</exception>
    public static string NameOf(RunStage stage) => IsName(stage.Name)
        ? $"{stage.Name}-{ContentHash.Short(stage.Hash)}"
        : throw new ArgumentException(
            $"The stage name '{stage.Name}' must be made of lower-case letters, digits and hyphens.", nameof(stage));

    /// <summary>Whether a text can name a stage: lower-case letters, digits and hyphens, at least one.</summary>
    public static bool IsName(string text) => text.Length > 0 && text.All(IsNameCharacter);

    /// <summary>Absolute path of a file in the folder.</summary>
    public string PathOf(string name) => Path.Combine(FullPath, name);

    /// <summary>
    /// Keeps other processes out until the result is disposed or the process ends, however it ends. The manifest is read
    /// again: what another process completed meanwhile is complete here.
    /// </summary>
    /// <exception cref="IOException">Another process is at work in the folder; one sentence.</exception>
    public IDisposable Lock()
    {
        FileStream ownership;
        try
        {
            ownership = new FileStream(PathOf(LockName), FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException(
                AtomicFile.Explain(exception, PathOf(LockName)) ?? $"{FullPath}: another process is at work in this folder.", exception);
        }

        try
        {
            Manifest = ManifestJson.Read(PathOf(ManifestName));
            return ownership;
        }
        catch
        {
            ownership.Dispose();
            throw;
        }
    }

    /// <summary>Declares the outputs complete; call it after the last of them is on the disk. A second call changes nothing.</summary>
    /// <param name="took">Time that this attempt took, recorded if given.</param>
    public void MarkComplete(TimeSpan? took = null)
    {
        if (!IsComplete)
        {
            RunManifest complete = Manifest with
            {
                Status = RunStatus.Complete,
                FinishedUtc = _clock.GetUtcNow(),
                Seconds = took?.TotalSeconds,
            };
            ManifestJson.Write(PathOf(ManifestName), complete);
            Manifest = complete;
        }
    }

    private static bool IsNameCharacter(char character) =>
        char.IsAsciiLetterLower(character) || char.IsAsciiDigit(character) || character == '-';

    private static RunManifest Describe(RunStage stage, DateTimeOffset now) => new()
    {
        Stage = stage.Name,
        Hash = stage.Hash,
        Status = RunStatus.Started,
        ToolVersion = stage.ToolVersion,
        Command = stage.Command,
        Settings = Sorted(stage.Settings),
        Inputs = Sorted(stage.Inputs),
        StartedUtc = now,
    };

    private static SortedDictionary<string, string> Sorted(IReadOnlyDictionary<string, string> values) =>
        new(values.ToDictionary(), StringComparer.Ordinal);

    private static void Check(string path, RunStage asked, RunManifest found)
    {
        if (found.Stage != asked.Name)
        {
            throw new InvalidDataException($"{path}: belongs to stage '{found.Stage}', expected '{asked.Name}'.");
        }

        CheckValues(path, "setting", asked.Settings, found.Settings);
        CheckValues(path, "input", asked.Inputs, found.Inputs);
        if (found.Hash != asked.Hash)
        {
            throw new InvalidDataException($"{path}: field 'hash' is {found.Hash}, but its settings and inputs give {asked.Hash}.");
        }
    }

    private static void CheckValues(
        string path, string kind, IReadOnlyDictionary<string, string> asked, SortedDictionary<string, string> found)
    {
        foreach (string name in asked.Keys.Union(found.Keys).Order(StringComparer.Ordinal))
        {
            string? expected = asked.GetValueOrDefault(name);
            found.TryGetValue(name, out string? actual);
            if (expected != actual)
            {
                throw new InvalidDataException(
                    $"{path}: belongs to another run, {kind} '{name}' is {Quote(actual)} there and {Quote(expected)} here.");
            }
        }
    }

    private static string Quote(string? value) => value is null ? "absent" : $"'{value}'";
}
