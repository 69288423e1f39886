namespace Tessera.Cli.Tests;

public sealed class ChatTests(TinyModel model)
{
    private const string Template =
        "{{- '<s>' }}{% for message in messages %}{{ '<|' + message.role + '|>' + message.content }}{% endfor %}{{ '<|assistant|>' }}";

    [Fact]
    public void Piped_input_is_one_message_a_line_with_commands_between()
    {
        string folder = WithTemplate();
        var run = Piped("4+5\n\n/thinking off\n/nonsense\n/new\n1+1\n/quit\n2+2\n", "chat", folder, "--max-tokens", "4", "--seed", "1", "--temperature", "0");
        Assert.True(run.Code == 0, run.Error);
        Assert.Equal(2, Count(run.Error, "tokens/s"));
        Assert.Contains("thinking off", run.Error);
        Assert.Contains("/nonsense: expected /thinking on", run.Error);
        Assert.Contains("new conversation", run.Error);
        Assert.Contains("cut off at the longest length", run.Error);
    }

    [Fact]
    public void A_conversation_that_fills_the_positions_says_so_and_goes_on()
    {
        string folder = WithTemplate();
        var run = Piped(new string('1', 200) + "\n/new\n1\n", "chat", folder, "--max-tokens", "2", "--seed", "1");
        Assert.True(run.Code == 0, run.Error);
        Assert.Contains($"leaves no room for a reply in the {TinyModel.MaxPositions} positions", run.Error);
        Assert.Equal(1, Count(run.Error, "tokens/s"));
    }

    [Fact]
    public void What_cannot_be_chatted_with_is_refused()
    {
        CliRun.Refused(["chat", model.Mixed], "chat_template.jinja");
        CliRun.Refused(["serve", model.Mixed], "chat_template.jinja");
        string folder = WithTemplate();
        CliRun.Refused(["chat", folder, "--thinking-budget", "-1"], "--thinking-budget");
        CliRun.Refused(["chat", folder, "--temperature", "-1"], "--temperature");
        CliRun.Refused(["chat", folder, "--thinking", "maybe"], "maybe");
        CliRun.Refused(["serve", folder, "--port", "70000"], "--port");
        CliRun.Refused(["serve", folder, "--host", "nowhere"], "'nowhere'");
        CliRun.Refused(["serve", folder, "--api-key", " "], "--api-key");
        CliRun.Refused(["serve", folder, "--max-running", "0"], "--max-running");
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;

    private static CliRun Piped(string input, params string[] arguments)
    {
        var before = Console.In;
        try
        {
            Console.SetIn(new StringReader(input));
            return CliRun.Of(arguments);
        }
        finally
        {
            Console.SetIn(before);
        }
    }

    private string WithTemplate() => model.PlainWithTemplate("chatting", Template);
}
