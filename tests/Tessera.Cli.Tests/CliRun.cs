using System.Text.Json;

namespace Tessera.Cli.Tests;

/// <summary>What a verb printed and returned.</summary>
/// <param name="Code">Exit code.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
public sealed record CliRun(int Code, string Output, string Error)
{
    /// <summary>Runs the command line inside the test's process.</summary>
    public static CliRun Of(params string[] arguments)
    {
        TextWriter output = Console.Out, error = Console.Error;
        using var capturedOutput = new StringWriter { NewLine = "\n" };
        using var capturedError = new StringWriter { NewLine = "\n" };
        try
        {
            Console.SetOut(capturedOutput);
            Console.SetError(capturedError);
            int code = Cli.Run(arguments);
            return new CliRun(code, capturedOutput.ToString(), capturedError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }

    /// <summary>As <see cref="Of"/> where only success is expected.</summary>
    public static CliRun Good(params string[] arguments)
    {
        var run = Of(arguments);
        Assert.True(run.Code == 0, $"exit code {run.Code}: {run.Error}");
        return run;
    }

    /// <summary>Fails unless the verb refuses with exit code 2 and one sentence that holds every one of <paramref name="parts"/>.</summary>
    public static void Refused(string[] arguments, params string[] parts)
    {
        var run = Of(arguments);
        Assert.Equal(2, run.Code);
        string last = run.Error.TrimEnd('\n').Split('\n')[^1];
        Assert.StartsWith("tessera: ", last);
        foreach (string part in parts)
        {
            Assert.Contains(part, last);
        }
    }

    /// <summary>The one JSON document on standard output.</summary>
    public JsonElement Json() => JsonDocument.Parse(Output).RootElement;
}
