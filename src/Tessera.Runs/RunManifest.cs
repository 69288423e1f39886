namespace Tessera.Runs;

/// <summary>The provenance of a run folder, its <c>manifest.json</c>.</summary>
public sealed record RunManifest
{
    /// <summary>Name of the stage.</summary>
    public required string Stage { get; init; }

    /// <summary>Hash of name, settings and inputs, see <see cref="RunStage.Hash"/>.</summary>
    public required string Hash { get; init; }

    /// <summary>How far the stage has come.</summary>
    public required RunStatus Status { get; init; }

    /// <summary>Version of the tool that started it.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>Command line that started it.</summary>
    public required string Command { get; init; }

    /// <summary>Settings by name.</summary>
    public required SortedDictionary<string, string> Settings { get; init; }

    /// <summary>Hashes of the inputs by name.</summary>
    public required SortedDictionary<string, string> Inputs { get; init; }

    /// <summary>When the folder was first opened.</summary>
    public required DateTimeOffset StartedUtc { get; init; }

    /// <summary>When the stage was completed.</summary>
    public DateTimeOffset? FinishedUtc { get; init; }

    /// <summary>Seconds that the attempt which completed the stage took, where it was timed; earlier attempts are not in it.</summary>
    public double? Seconds { get; init; }

    /// <summary>Reads the manifest of a stage's folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="InvalidDataException">It is not a manifest; one sentence.</exception>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    public static RunManifest Read(string folder) => ManifestJson.Read(Path.Combine(folder, RunFolder.ManifestName));
}
