using System.Text.Json.Nodes;

namespace Tessera.Runs.Tests;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualClock _clock = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_new_folder_is_named_by_stage_and_hash_and_holds_its_provenance()
    {
        RunFolder run = Open(Stage());
        Assert.Equal(_folder[$"measure-{Stage().Hash[..12]}"], run.FullPath);
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(run.PathOf("manifest.json")))!;
        Assert.Equal("measure", (string?)manifest["stage"]);
        Assert.Equal("started", (string?)manifest["status"]);
        Assert.Equal("0.1.0", (string?)manifest["tool_version"]);
        Assert.Equal("tessera measure \"a\"", (string?)manifest["command"]);
        Assert.Equal("8", (string?)manifest["settings"]!["batch"]);
        Assert.Equal("abc", (string?)manifest["inputs"]!["model"]);
        Assert.Equal(_clock.GetUtcNow(), (DateTimeOffset?)manifest["started_utc"]);
        Assert.Null(manifest["finished_utc"]);
    }

    [Fact]
    public void Completion_is_recorded_once_and_found_on_reopening()
    {
        RunFolder run = Open(Stage());
        Assert.False(Open(Stage()).IsComplete);
        _clock.Move(90);
        run.MarkComplete();
        DateTimeOffset finished = _clock.GetUtcNow();
        _clock.Move(90);
        RunFolder again = Open(Stage());
        again.MarkComplete();
        Assert.True(again.IsComplete);
        Assert.Equal(finished, again.Manifest.FinishedUtc);
        Assert.Equal(90, (again.Manifest.FinishedUtc - again.Manifest.StartedUtc)!.Value.TotalSeconds);
        Assert.Single(Directory.GetFileSystemEntries(run.FullPath));
    }

    [Fact]
    public void A_folder_is_found_only_once_it_was_opened()
    {
        Assert.Null(RunFolder.Find(_folder["."], Stage()));
        Assert.Empty(Directory.GetFileSystemEntries(_folder["."]));
        RunFolder run = Open(Stage());
        Assert.Equal(run.FullPath, RunFolder.Find(Path.GetDirectoryName(run.FullPath)!, Stage())!.FullPath);
        Assert.Equal(RunFolder.NameOf(Stage()), Path.GetFileName(run.FullPath));
    }

    [Fact]
    public void A_locked_folder_keeps_others_out_and_is_read_again_by_the_next()
    {
        RunFolder first = Open(Stage()), second = Open(Stage());
        using (first.Lock())
        {
            Assert.Contains("another process", Assert.Throws<IOException>(second.Lock).Message, StringComparison.Ordinal);
            first.MarkComplete(TimeSpan.FromSeconds(1.5));
        }

        Assert.False(second.IsComplete);
        using (second.Lock())
        {
            Assert.True(second.IsComplete);
            Assert.Equal(1.5, second.Manifest.Seconds);
        }
    }

    [Fact]
    public void Settings_inputs_and_stage_choose_the_folder_but_command_and_version_do_not()
    {
        string path = Open(Stage()).FullPath;
        Assert.Equal(path, Open(Stage() with { Command = "other", ToolVersion = "9" }).FullPath);
        string[] others =
        [
            Open(Stage() with { Name = "search" }).FullPath,
            Open(Stage() with { Settings = new Dictionary<string, string> { ["batch"] = "9" } }).FullPath,
            Open(Stage() with { Inputs = new Dictionary<string, string> { ["model"] = "abd" } }).FullPath,
            Open(Stage() with { Settings = Stage().Inputs, Inputs = Stage().Settings }).FullPath,
        ];
        Assert.Equal(5, others.Append(path).Distinct().Count());
    }

    [Fact]
    public void A_manifest_of_other_settings_is_refused_with_both_values()
    {
        RunFolder run = Open(Stage());
        Edit(run, "\"batch\": \"8\"", "\"batch\": \"16\"");
        var failure = Assert.Throws<InvalidDataException>(() => Open(Stage()));
        Assert.Equal(
            $"{run.PathOf("manifest.json")}: belongs to another run, setting 'batch' is '16' there and '8' here.", failure.Message);
    }

    [Theory]
    [InlineData("\"stage\": \"measure\"", "\"stage\": \"search\"", "belongs to stage 'search'")]
    [InlineData("\"hash\": \"", "\"hash\": \"0", "field 'hash'")]
    [InlineData("\"model\": \"abc\"", "\"other\": \"abc\"", "input 'model' is absent there")]
    [InlineData("\"status\": \"started\"", "\"status\": \"half\"", "field '$.status'")]
    [InlineData("{", "", "not a run manifest")]
    public void A_damaged_manifest_is_refused_by_name(string text, string replacement, string sentence)
    {
        RunFolder run = Open(Stage());
        Edit(run, text, replacement);
        var failure = Assert.Throws<InvalidDataException>(() => Open(Stage()));
        Assert.StartsWith(run.PathOf("manifest.json"), failure.Message, StringComparison.Ordinal);
        Assert.Contains(sentence, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("../up")]
    [InlineData("Measure")]
    public void A_stage_name_that_is_no_folder_name_is_refused(string name) =>
        Assert.Throws<ArgumentException>(() => Open(Stage() with { Name = name }));

    private static RunStage Stage() => new()
    {
        Name = "measure",
        ToolVersion = "0.1.0",
        Command = "tessera measure \"a\"",
        Settings = new Dictionary<string, string> { ["batch"] = "8" },
        Inputs = new Dictionary<string, string> { ["model"] = "abc" },
    };

    private static void Edit(RunFolder run, string text, string replacement)
    {
        string manifest = File.ReadAllText(run.PathOf("manifest.json"));
        Assert.Contains(text, manifest, StringComparison.Ordinal);
        int at = manifest.IndexOf(text, StringComparison.Ordinal);
        File.WriteAllText(run.PathOf("manifest.json"), manifest[..at] + replacement + manifest[(at + text.Length)..]);
    }

    private RunFolder Open(RunStage stage) => RunFolder.Open(_folder.FullPath, stage, _clock);
}
