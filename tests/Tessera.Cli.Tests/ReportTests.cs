namespace Tessera.Cli.Tests;

public sealed class ReportTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("tessera-report-").FullName;

    [Fact]
    public void What_is_no_run_and_several_runs_without_a_page_are_refused()
    {
        CliRun.Refused(["report", _root], _root, "there is no result.json");
        CliRun.Refused(["report", _root, _root], "several runs need --out FILE");
        CliRun.Refused(["report"], "report");
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
