using System.CommandLine;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json.Nodes;
using Tessera.Inference;
using Tessera.Inference.Chat;

namespace Tessera.Cli.Commands;

/// <summary><c>chat</c>: a conversation on the terminal, or one turn a line where input is piped.</summary>
internal static class ChatCommand
{
    public static Command Create()
    {
        var shared = new ChatOptions();
        var system = new Option<string?>("--system") { Description = "System text of the conversation." };
        var tokens = new Option<int>("--max-tokens") { Description = "Most tokens of a reply; 0 for as many as fit.", DefaultValueFactory = _ => 0 };
        var budget = new Option<int?>("--thinking-budget") { Description = "Most tokens of reasoning." };
        var temperature = new Option<double?>("--temperature") { Description = "0 takes the likeliest token; the model's own default if not given." };
        var seed = new Option<ulong?>("--seed") { Description = "Seed of the draws; a fresh one if not given." };
        var command = new Command("chat", "Talk with a model on the terminal; piped input is one message a line.")
        {
            shared.Model, system, tokens, budget, temperature, seed,
        };
        foreach (var option in shared.All)
        {
            command.Add(option);
        }

        command.SetAction(result =>
        {
            int most = OptionChecks.AtLeast(result, tokens, 0);
            var settings = new ChatRequest
            {
                Messages = [],
                MaxTokens = most == 0 ? null : most,
                ThinkingBudget = result.GetValue(budget) is { } given
                    ? given >= 0 ? given : throw new ArgumentException($"--thinking-budget {given}: expected 0 or more")
                    : null,
                Temperature = result.GetValue(temperature) is { } value
                    ? value is >= 0 and <= 100 ? (float)value : throw new ArgumentException($"--temperature {value}: expected a number from 0 to 100")
                    : null,
                Seed = result.GetValue(seed),
                Thinking = shared.ThinkingOf(result),
            };
            using var open = shared.Open(result, maxRunning: 1, mostRequests: 4);
            new Conversation(open.Engine, settings, result.GetValue(system)).RunAsync().GetAwaiter().GetResult();
        });
        return command;
    }

    [SuppressMessage("Performance", "CA1849", Justification = "A terminal's writers block either way, and output and errors keep their order.")]
    private sealed class Conversation(ChatEngine engine, ChatRequest settings, string? system)
    {
        private readonly bool _isTerminal = !Console.IsInputRedirected && !Console.IsOutputRedirected;
        private readonly List<JsonObject> _messages = [];
        private bool? _thinking = settings.Thinking;
        private CancellationTokenSource? _reply;

        public async Task RunAsync()
        {
            Begin();
            if (_isTerminal)
            {
                Console.Error.WriteLine($"{engine.Model.Name}: /thinking on|off, /new, /quit; Ctrl-C stops a reply");
            }

            ConsoleCancelEventHandler stops = (_, pressed) =>
            {
                // While nothing is being said, Ctrl-C ends the program as usual.
                pressed.Cancel = _reply is { IsCancellationRequested: false };
                _reply?.Cancel();
            };
            Console.CancelKeyPress += stops;
            try
            {
                while (Read() is { } line && line.Trim() is not "/quit")
                {
                    if (line.StartsWith('/'))
                    {
                        Obey(line.Trim());
                    }
                    else if (!string.IsNullOrWhiteSpace(line))
                    {
                        await ReplyAsync(line);
                    }
                }
            }
            finally
            {
                Console.CancelKeyPress -= stops;
            }
        }

        private string? Read()
        {
            if (_isTerminal)
            {
                Console.Write("> ");
            }

            return Console.In.ReadLine();
        }

        private void Begin()
        {
            _messages.Clear();
            if (system is not null)
            {
                _messages.Add(Message("system", system));
            }
        }

        private void Obey(string command)
        {
            switch (command.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                case ["/thinking", "on" or "off"]:
                    _thinking = command.EndsWith("on", StringComparison.Ordinal);
                    Console.Error.WriteLine($"thinking {(_thinking.Value ? "on" : "off")}");
                    break;
                case ["/new"]:
                    Begin();
                    Console.Error.WriteLine("new conversation");
                    break;
                default:
                    Console.Error.WriteLine($"{command}: expected /thinking on, /thinking off, /new or /quit");
                    break;
            }
        }

        private async Task ReplyAsync(string text)
        {
            _messages.Add(Message("user", text));
            using var reply = new CancellationTokenSource();
            _reply = reply;
            var answer = new StringBuilder();
            try
            {
                var chat = engine.Prepare(settings with { Messages = _messages, Thinking = _thinking });
                await WriteAsync(engine.StreamAsync(chat, reply.Token), answer);
            }
            catch (OperationCanceledException)
            {
                EndThought();
                Console.WriteLine();
                Console.Error.WriteLine("stopped");
            }
            catch (PromptTooLongException error)
            {
                // The conversation stays as it was, so that a shorter message still fits.
                _messages.RemoveAt(_messages.Count - 1);
                Console.Error.WriteLine($"{error.Message}; the message is dropped, /new begins another conversation");
                return;
            }
            finally
            {
                _reply = null;
            }

            _messages.Add(Message("assistant", answer.ToString()));
        }

        private async Task WriteAsync(IAsyncEnumerable<ChatUpdate> updates, StringBuilder answer)
        {
            var watch = Stopwatch.StartNew();
            bool isThinking = false;
            ChatUpdate? last = null;
            await foreach (var update in updates)
            {
                if (update.Text.Reasoning.Length > 0)
                {
                    if (!isThinking)
                    {
                        BeginThought();
                        isThinking = true;
                    }

                    // Piped output is the answer alone.
                    (_isTerminal ? Console.Out : Console.Error).Write(update.Text.Reasoning);
                }

                if (update.Text.Content.Length > 0)
                {
                    if (isThinking)
                    {
                        EndThought();
                        isThinking = false;
                    }

                    answer.Append(update.Text.Content);
                    Console.Write(update.Text.Content);
                }

                Console.Out.Flush();
                last = update;
            }

            if (isThinking)
            {
                EndThought();
            }

            Console.WriteLine();
            Console.Error.WriteLine(Figures(last!, watch.Elapsed));
        }

        private void BeginThought()
        {
            if (_isTerminal)
            {
                Console.Write("\u001b[2m");
            }
        }

        private void EndThought()
        {
            if (_isTerminal)
            {
                Console.WriteLine("\u001b[0m");
            }
            else
            {
                Console.Error.WriteLine();
            }
        }

        private static string Figures(ChatUpdate last, TimeSpan time)
        {
            string thought = last.Usage.Reasoning > 0 ? $", {last.Usage.Reasoning} of them thinking" : string.Empty;
            string end = last.Finish == FinishReason.Length ? ", cut off at the longest length" : string.Empty;
            return $"[{last.Usage.Completion} tokens{thought}, {last.Usage.Completion / Math.Max(time.TotalSeconds, 1e-9):F1} tokens/s{end}]";
        }

        private static JsonObject Message(string role, string text) => new() { ["role"] = role, ["content"] = text };
    }
}
