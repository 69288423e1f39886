using System.CommandLine;
using Tessera.Cli;
using Tessera.Cli.Commands;

return Cli.Run(args);

namespace Tessera.Cli
{
    /// <summary>The command line: parses, runs a verb, and turns failures into one sentence and an exit code.</summary>
    internal static class Cli
    {
        /// <summary>Something failed that better input would not have prevented.</summary>
        public const int Failure = 1;

        /// <summary>The input was not acceptable.</summary>
        public const int BadInput = 2;

        public static int Run(string[] args)
        {
            var root = Root();
            var parsed = root.Parse(args);
            if (parsed.Errors.Count > 0)
            {
                Console.Error.WriteLine($"tessera: {OneLine(parsed.Errors[0].Message)} (see tessera {VerbOf(args)}--help)");
                return BadInput;
            }

            try
            {
                return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
            }
            catch (Exception error) when (IsBadInput(error))
            {
                Console.Error.WriteLine($"tessera: {OneLine(error.Message)}");
                return BadInput;
            }
            catch (Exception error) when (error is IOException or InsufficientMemoryException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"tessera: {OneLine(error.Message)}");
                return Failure;
            }
            catch (OperationCanceledException)
            {
                Console.Error.WriteLine("tessera: stopped");
                return Failure;
            }
            catch (Exception error)
            {
                // A defect of ours, not of the input: one sentence as well; the trace is there for whoever reports it.
                Console.Error.WriteLine($"tessera: internal error: {OneLine(error.Message)} (set TESSERA_TRACE=1 for the trace)");
                if (Environment.GetEnvironmentVariable("TESSERA_TRACE") == "1")
                {
                    Console.Error.WriteLine(error);
                }

                return Failure;
            }
        }

        public static RootCommand Root() => new("Takes a language model apart, lays a smaller and faster one, and serves it.")
        {
            DoctorCommand.Create(),
            InspectCommand.Create(),
            TokenizeCommand.Create(),
            DataCommand.Create(),
            TemplateCommand.Create(),
            PerplexityCommand.Create(),
            GenerateCommand.Create(),
            ExportCommand.Create(),
            BenchCommand.Create(),
            TasksCommand.Create(),
            TokenizerCommand.Create(),
            LogitsCommand.Create(),
            InitCommand.Create(),
            TrainCommand.Create(),
            DistillCommand.Create(),
            SftCommand.Create(),
            EvalCommand.Create(),
            RlCommand.Create(),
            MeasureCommand.Create(),
            CompressCommand.Create(),
            SearchCommand.Create(),
            ReportCommand.Create(),
            FuseCommand.Create(),
            RunCommand.Create(),
            PlanCommand.Create(),
            QuickstartCommand.Create(),
            ChatCommand.Create(),
            ServeCommand.Create(),
        };

        private static string VerbOf(string[] args) => args.Length > 0 && !args[0].StartsWith('-') ? args[0] + " " : string.Empty;

        private static bool IsBadInput(Exception error) =>
            error is InvalidDataException or ArgumentException or NotSupportedException or FileNotFoundException
                or DirectoryNotFoundException or FormatException or System.Text.Json.JsonException;

        private static string OneLine(string message)
        {
            // ArgumentException appends the parameter's name, which means nothing on a command line.
            int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
            return (parameter < 0 ? message : message[..parameter]).ReplaceLineEndings(" ").Replace("\t", "", StringComparison.Ordinal);
        }
    }
}
